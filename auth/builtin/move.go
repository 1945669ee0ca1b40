package builtin

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// StoredAccounts returns all accounts with what is kept of their passwords, by
// kind and name, as PutAccounts takes them.
func (b *Builtin) StoredAccounts() []auth.NewAccount {
	var all []auth.NewAccount
	t := &b.accounts
	t.mu.RLock()
	for _, kind := range []auth.SubjectKind{auth.ByClientID, auth.ByUsername} {
		for name, r := range t.of(kind) {
			all = append(all, auth.NewAccount{
				Subject: auth.Subject{Kind: kind, Name: name}, Superuser: r.superuser, Created: time.UnixMilli(r.created),
				Hash: r.hash, Stored: r.stored, Salt: r.salt,
			})
		}
	}
	t.mu.RUnlock() // event loops want to read, and sorting takes a while
	slices.SortFunc(all, func(a, b auth.NewAccount) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// PutAccounts puts accounts in the place of those of the same name, or beside
// the others, and returns for each what kept it out. Passwords that aren't hashed yet take as long as with AddAccount, one after the other.
func (b *Builtin) PutAccounts(ctx context.Context, all []auth.NewAccount) []error {
	t := &b.accounts
	errs := make([]error, len(all))
	next := make(map[auth.Subject]*record, len(all))
	for i := range all {
		r, err := t.make(ctx, &all[i])
		if errs[i] = err; err == nil {
			r.superuser, r.created = all[i].Superuser, created(&all[i])
			next[all[i].Subject] = r
		}
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	if err := t.put(next); err != nil {
		for i := range errs {
			errs[i] = cmp.Or(errs[i], err)
		}
	}
	return errs
}
