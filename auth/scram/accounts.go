package scram

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/dunlin-mq/dunlin/auth"
)

// Accounts are the users of all mechanisms. They are looked up in memory; only
// what changes them waits for the disk. Errors are auth.ErrExists,
// auth.ErrNotFound, or say what kept the change from being made. User names may
// be given unprepared.
type Accounts struct {
	keeper auth.Keeper // may be nil: nothing outlives the process
	saving sync.Mutex  // around changes; taken before mu

	mu    sync.RWMutex
	all   map[id]Account
	looks map[look]int // how many accounts have it
}

// id is what an account is found by.
type id struct{ mechanism, username string }

// key is the account's name in the Keeper; no mechanism has a slash.
func (i id) key() string { return i.mechanism + "/" + i.username }

// look is what anybody may find out about an account.
type look struct {
	mechanism        string
	salt, iterations int
}

// NewAccounts reads those that a Keeper has.
func NewAccounts(keeper auth.Keeper) (*Accounts, error) {
	as := &Accounts{keeper: keeper, all: make(map[id]Account), looks: make(map[look]int)}
	if keeper == nil {
		return as, nil
	}
	err := keeper.Each(func(key string, value []byte) error {
		a, err := unmarshal(value)
		if err != nil {
			return fmt.Errorf("the SCRAM account %q is damaged: %w", key, err)
		}
		as.set(a)
		return nil
	})
	return as, err
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
	as.saving.Lock()
	defer as.saving.Unlock()
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
	as.saving.Lock()
	defer as.saving.Unlock()
	a, found := as.find(mechanism, username)
	if !found {
		return auth.ErrNotFound
	}
	a.Superuser = superuser
	return as.save(a)
}

// Delete removes an account. Connections made with it stay.
func (as *Accounts) Delete(mechanism, username string) error {
	as.saving.Lock()
	defer as.saving.Unlock()
	a, found := as.find(mechanism, username)
	if !found {
		return auth.ErrNotFound
	}
	if as.keeper != nil {
		if err := as.keeper.Delete(a.id().key()); err != nil {
			return fmt.Errorf("the SCRAM account %q can't be deleted: %w", a.Username, err)
		}
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	as.forget(a.id())
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

// save keeps an account, then puts it in force.
func (as *Accounts) save(a Account) error {
	if as.keeper != nil {
		value, err := a.marshal()
		if err == nil {
			err = as.keeper.Put(a.id().key(), value)
		}
		if err != nil {
			return fmt.Errorf("the SCRAM account %q can't be kept: %w", a.Username, err)
		}
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	as.forget(a.id())
	as.set(a)
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
