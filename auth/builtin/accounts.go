package builtin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/keep"
)

// accounts is the table of accounts. A record is never changed once it is in
// there.
type accounts struct {
	config    Config
	passwords *auth.Passwords
	records   keep.Map
	changed   func()

	writing sync.Mutex // around a look and the change that rests on it, by this node; taken before mu

	mu                     sync.RWMutex
	loaded                 bool
	byClientID, byUsername map[string]*record
}

// record is one account; stored and salt are parts of one string.
type record struct {
	hash         auth.Hash
	superuser    bool
	stored, salt string
	created      int64 // Unix milliseconds
}

// savedAccount is a record as it is kept. What was imported need not be text.
type savedAccount struct {
	Hash      string `json:"hash"`
	Stored    []byte `json:"stored"`
	Salt      []byte `json:"salt,omitempty"`
	Superuser bool   `json:"superuser,omitempty"`
	Created   int64  `json:"created"`
}

func newAccounts(o *Options) accounts {
	return accounts{
		config: o.Config, passwords: o.Passwords, records: o.Accounts, changed: o.Changed,
		byClientID: make(map[string]*record), byUsername: make(map[string]*record),
	}
}

// newRecord copies stored and salt: they may be parts of a whole file.
func newRecord(h auth.Hash, stored, salt string) *record {
	both := string(append([]byte(stored), salt...))
	return &record{hash: h, stored: both[:len(stored)], salt: both[len(stored):]}
}

// accountKey is what an account is kept by.
func accountKey(s auth.Subject) string { return string(s.Kind) + "/" + s.Name }

func (r *record) save() ([]byte, error) {
	return json.Marshal(savedAccount{
		Hash: r.hash.String(), Stored: []byte(r.stored), Salt: []byte(r.salt), Superuser: r.superuser, Created: r.created,
	})
}

// follow reads what is kept, and follows it.
func (t *accounts) follow(log *slog.Logger) error {
	err := keep.Follow(t.records, log, t.apply)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loaded = true
	return err
}

// apply puts a change in force.
func (t *accounts) apply(c keep.Change) error {
	kind, name, _ := strings.Cut(c.Key, "/")
	of := t.of(auth.SubjectKind(kind))
	r, err := readRecord(&c)
	if of == nil || err != nil {
		return fmt.Errorf("the stored account %q can't be read (%w)", c.Key, cmp.Or(err, errNoKind))
	}
	t.mu.Lock()
	old := of[name]
	if of[name] = r; r == nil {
		delete(of, name)
	}
	loaded := t.loaded
	t.mu.Unlock()
	if old != nil && loaded {
		t.changed()
	}
	return nil
}

// readRecord reads a record that is kept; nil if it was deleted.
func readRecord(c *keep.Change) (*record, error) {
	if c.Deleted {
		return nil, nil
	}
	var saved savedAccount
	err := json.Unmarshal(c.Value, &saved)
	hash, hashErr := auth.ParseHash(saved.Hash)
	if err := errors.Join(err, hashErr); err != nil {
		return nil, err
	}
	r := newRecord(hash, string(saved.Stored), string(saved.Salt))
	r.superuser, r.created = saved.Superuser, saved.Created
	return r, nil
}

var errNoKind = errors.New("an account goes by clientid or username")

// of is the part of the table for one kind, nil for one that has none.
func (t *accounts) of(kind auth.SubjectKind) map[string]*record {
	switch kind {
	case auth.ByClientID:
		return t.byClientID
	case auth.ByUsername:
		return t.byUsername
	}
	return nil
}

func (t *accounts) get(s auth.Subject) *record {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.of(s.Kind)[s.Name]
}

// show is a record for the eyes of an operator.
func (r *record) show(s auth.Subject) auth.Account {
	return auth.Account{Subject: s, Superuser: r.superuser, Created: time.UnixMilli(r.created), Stored: r.stored}
}

// Accounts returns those of a kind whose names contain like, in the order of
// names, from the one numbered from on and at most limit of them; total is how
// many there are.
func (b *Builtin) Accounts(kind auth.SubjectKind, like string, from, limit int) (some []auth.Account, total int) {
	type named struct {
		name string
		*record
	}
	var all []named
	t := &b.accounts
	t.mu.RLock()
	for name, r := range t.of(kind) {
		if strings.Contains(name, like) {
			all = append(all, named{name, r})
		}
	}
	t.mu.RUnlock() // event loops want to read, and sorting takes a while
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.name, b.name) })
	for _, a := range part(all, from, limit) {
		some = append(some, a.show(auth.Subject{Kind: kind, Name: a.name}))
	}
	return some, len(all)
}

// part cuts a page out of a list.
func part[T any](list []T, from, limit int) []T {
	from = min(max(from, 0), len(list))
	return list[from : from+min(max(limit, 0), len(list)-from)]
}

// Account returns one account.
func (b *Builtin) Account(s auth.Subject) (auth.Account, bool) {
	if r := b.accounts.get(s); r != nil {
		return r.show(s), true
	}
	return auth.Account{}, false
}

// AddAccount adds an account; auth.ErrExists if there is one. It may take 50 ms
// of a processor, after waiting for it, as long as ctx lasts.
func (b *Builtin) AddAccount(ctx context.Context, a auth.NewAccount) error {
	return b.AddAccounts(ctx, []auth.NewAccount{a})[0]
}

// AddAccounts adds many and returns for each what kept it out. If the map fails
// some of them may be there all the same.
func (b *Builtin) AddAccounts(ctx context.Context, all []auth.NewAccount) []error {
	return b.accounts.add(ctx, all)
}

// UpdateAccount gives an account another password, or another stored value;
// auth.ErrNotFound if there is none. Whether it is a superuser's stays as it
// was.
func (b *Builtin) UpdateAccount(ctx context.Context, a auth.NewAccount) error {
	t := &b.accounts
	if t.get(a.Subject) == nil {
		return auth.ErrNotFound
	}
	r, err := t.make(ctx, &a)
	if err != nil {
		return err
	}
	return t.replace(a.Subject, func(old *record) *record {
		r.superuser, r.created = old.superuser, old.created
		return r
	})
}

// SetSuperuser says whether the ACL is asked about who comes with an account.
// A connection keeps what it came with.
func (b *Builtin) SetSuperuser(s auth.Subject, superuser bool) error {
	return b.accounts.replace(s, func(old *record) *record {
		r := *old
		r.superuser = superuser
		return &r
	})
}

// DeleteAccount deletes an account; auth.ErrNotFound if there is none.
func (b *Builtin) DeleteAccount(s auth.Subject) error {
	t := &b.accounts
	t.writing.Lock()
	defer t.writing.Unlock()
	if t.get(s) == nil {
		return auth.ErrNotFound
	}
	return t.records.Delete(accountKey(s))
}

// replace puts what next makes of an account into its place.
func (t *accounts) replace(s auth.Subject, next func(old *record) *record) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	old := t.get(s)
	if old == nil {
		return auth.ErrNotFound
	}
	value, err := next(old).save()
	if err != nil {
		return err
	}
	return t.records.Put(accountKey(s), value)
}
