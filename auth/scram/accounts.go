package scram

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/keep"
)

// Accounts are the users of all mechanisms, on all nodes. They are looked up in
// memory; only what changes them waits until it is kept. Errors are
// auth.ErrExists, auth.ErrNotFound, or say what kept the change from being made.
// User names may be given unprepared.
type Accounts struct {
	records keep.Map
	writing sync.Mutex // around a look and the change that rests on it, by this node; taken before mu

	mu    sync.RWMutex
	all   map[id]Account
	looks map[look]int // how many accounts have it
}

// id is what an account is found by.
type id struct{ mechanism, username string }

// key is the account's in the map; no mechanism has a slash.
func (i id) key() string { return i.mechanism + "/" + i.username }

// look is what anybody may find out about an account.
type look struct {
	mechanism        string
	salt, iterations int
}

// NewAccounts reads those that a map keeps, and follows it; without one nothing
// outlives the process. log may be nil.
func NewAccounts(records keep.Map, log *slog.Logger) (*Accounts, error) {
	if records == nil {
		records = new(keep.Memory)
	}
	as := &Accounts{records: records, all: make(map[id]Account), looks: make(map[look]int)}
	return as, keep.Follow(records, log, as.apply)
}

// apply puts a change in force.
func (as *Accounts) apply(c keep.Change) error {
	var a Account
	if c.Deleted {
		a.Mechanism, a.Username, _ = strings.Cut(c.Key, "/")
	} else {
		var err error
		if a, err = unmarshal(c.Value); err != nil {
			return fmt.Errorf("the SCRAM account %q is damaged: %w", c.Key, err)
		}
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	as.forget(a.id())
	if !c.Deleted {
		as.set(a)
	}
	return nil
}

// Add makes an account. Without a salt it gets a random one; with 0 iterations
// it gets MinIterations.
func (as *Accounts) Add(mechanism, username string, password, salt []byte, iterations int) error {
	return as.put(mechanism, username, password, salt, iterations, false)
}

// Update gives an account that exists another password, as Add would.
func (as *Accounts) Update(mechanism, username string, password, salt []byte, iterations int) error {
	return as.put(mechanism, username, password, salt, iterations, true)
}

func (as *Accounts) put(mechanism, username string, password, salt []byte, iterations int, exists bool) error {
	a, err := newAccount(mechanism, username, password, slices.Clone(salt), iterations)
	if err != nil {
		return err
	}
	as.writing.Lock()
	defer as.writing.Unlock()
	old, found := as.Credentials(mechanism, a.Username)
	switch {
	case found && !exists:
		return auth.ErrExists
	case !found && exists:
		return auth.ErrNotFound
	}
	a.Superuser = old.Superuser
	return as.save(a)
}

// SetSuperuser says whether the ACL is asked about a user.
func (as *Accounts) SetSuperuser(mechanism, username string, superuser bool) error {
	as.writing.Lock()
	defer as.writing.Unlock()
	a, found := as.find(mechanism, username)
	if !found {
		return auth.ErrNotFound
	}
	a.Superuser = superuser
	return as.save(a)
}

// Delete removes an account. Connections made with it stay.
func (as *Accounts) Delete(mechanism, username string) error {
	as.writing.Lock()
	defer as.writing.Unlock()
	a, found := as.find(mechanism, username)
	if !found {
		return auth.ErrNotFound
	}
	if err := as.records.Delete(a.id().key()); err != nil {
		return fmt.Errorf("the SCRAM account %q can't be deleted: %w", a.Username, err)
	}
	return nil
}

// Lookup returns the keys of an account. The slices are not to be changed.
func (as *Accounts) Lookup(mechanism, username string) (k Keys, ok bool) {
	a, ok := as.find(mechanism, username)
	return a.Keys, ok
}

// List returns all accounts, by mechanism and name.
func (as *Accounts) List() []Account {
	as.mu.RLock()
	defer as.mu.RUnlock()
	list := make([]Account, 0, len(as.all))
	for _, a := range as.all {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b Account) int {
		return cmp.Or(cmp.Compare(a.Mechanism, b.Mechanism), cmp.Compare(a.Username, b.Username))
	})
	return list
}

// Credentials returns the account of a prepared name.
func (as *Accounts) Credentials(mechanism, username string) (Account, bool) {
	as.mu.RLock()
	defer as.mu.RUnlock()
	a, ok := as.all[id{mechanism, username}]
	return a, ok
}

// Usual returns what most accounts of a mechanism look like.
func (as *Accounts) Usual(mechanism string) (saltLength, iterations int) {
	as.mu.RLock()
	defer as.mu.RUnlock()
	best, most := look{mechanism, usualSalt, MinIterations}, 0
	for l, n := range as.looks {
		if l.mechanism != mechanism {
			continue
		}
		if cmp.Or(cmp.Compare(n, most), cmp.Compare(l.iterations, best.iterations), cmp.Compare(l.salt, best.salt)) > 0 {
			best, most = l, n
		}
	}
	return best.salt, best.iterations
}

func (a Account) id() id     { return id{a.Mechanism, a.Username} }
func (a Account) look() look { return look{a.Mechanism, len(a.Salt), a.Iterations} }

func (as *Accounts) find(mechanism, username string) (Account, bool) {
	name, err := prepare(username)
	if err != nil {
		return Account{}, false
	}
	return as.Credentials(mechanism, name)
}

// save keeps an account, which puts it in force.
func (as *Accounts) save(a Account) error {
	value, err := a.marshal()
	if err == nil {
		err = as.records.Put(a.id().key(), value)
	}
	if err != nil {
		return fmt.Errorf("the SCRAM account %q can't be kept: %w", a.Username, err)
	}
	return nil
}

func (as *Accounts) set(a Account) {
	as.all[a.id()] = a
	as.looks[a.look()]++
}

func (as *Accounts) forget(i id) {
	a, found := as.all[i]
	if !found {
		return
	}
	delete(as.all, i)
	if as.looks[a.look()]--; as.looks[a.look()] == 0 {
		delete(as.looks, a.look())
	}
}
