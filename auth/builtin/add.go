package builtin

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// add adds those that are in order and don't exist.
func (t *accounts) add(ctx context.Context, all []auth.NewAccount) []error {
	made, errs := t.makeAll(ctx, all)
	t.writing.Lock()
	defer t.writing.Unlock()
	fresh := make(map[auth.Subject]*record, len(all))
	for i, r := range made {
		switch s := all[i].Subject; {
		case errs[i] != nil:
		case fresh[s] != nil || t.get(s) != nil:
			errs[i] = auth.ErrExists
		default:
			fresh[s] = r
		}
	}
	if err := t.put(fresh); err != nil {
		for i := range errs {
			errs[i] = cmp.Or(errs[i], err)
		}
	}
	return errs
}

// put hands records to the map.
func (t *accounts) put(fresh map[auth.Subject]*record) error {
	if len(fresh) == 0 {
		return nil
	}
	var failed error
	err := t.records.PutAll(func(yield func(string, []byte) bool) {
		for s, r := range fresh {
			value, err := r.save()
			if err != nil {
				failed = err // can't be: there is nothing in a record that JSON refuses
				return
			}
			if !yield(accountKey(s), value) {
				return
			}
		}
	})
	return errors.Join(err, failed)
}

// makeAll makes the records of those that are in order and don't exist, as
// many at a time as there are processors.
func (t *accounts) makeAll(ctx context.Context, all []auth.NewAccount) ([]*record, []error) {
	made, errs := make([]*record, len(all)), make([]error, len(all))
	one := func(i int) {
		if a := &all[i]; t.get(a.Subject) != nil {
			errs[i] = auth.ErrExists
		} else if made[i], errs[i] = t.make(ctx, a); errs[i] == nil {
			made[i].superuser, made[i].created = a.Superuser, created(a)
		}
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(all), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				one(i)
			}
		})
	}
	wg.Wait()
	return made, errs
}

func created(a *auth.NewAccount) int64 {
	if a.Created.IsZero() {
		return time.Now().UnixMilli()
	}
	return a.Created.UnixMilli()
}

// Errors of accounts that can't be.
var (
	errNoName     = errors.New("expected a name of 1 to 32000 bytes without a zero byte")
	errNoPassword = errors.New("expected a password that is not empty")
	errUnreadable = errors.New("the stored password is none of its kind, or has no salt where that kind needs one")
)

// longestName leaves room for what else is in a Keeper's key.
const longestName = 32_000

func checkName(name string) error {
	if name == "" || len(name) > longestName || strings.IndexByte(name, 0) >= 0 {
		return errNoName
	}
	return nil
}

// make makes the record of an account without what says who it is.
func (t *accounts) make(ctx context.Context, a *auth.NewAccount) (*record, error) {
	if t.of(a.Kind) == nil {
		return nil, errNoKind
	}
	if err := checkName(a.Name); err != nil {
		return nil, err
	}
	if a.Stored != "" {
		return t.imported(a)
	}
	if len(a.Password) == 0 {
		return nil, errNoPassword
	}
	h := t.config.hashFor(a.Kind)
	stored, salt, err := t.passwords.Make(ctx, h, a.Password)
	if err != nil {
		return nil, err
	}
	return newRecord(h, stored, salt), nil
}

// imported makes the record of a password that was hashed elsewhere.
func (t *accounts) imported(a *auth.NewAccount) (*record, error) {
	h := a.Hash
	if h.IsZero() {
		h = t.config.hashFor(a.Kind)
	}
	h, stored, salt, err := readStored(h, a.Stored, a.Salt)
	if err != nil {
		return nil, err
	}
	return newRecord(h, stored, salt), nil
}

// readStored finds out how a stored password is to be compared: it has its salt
// beside it, or none, or is in the form of EMQ X's built-in users.
func readStored(h auth.Hash, stored, salt string) (auth.Hash, string, string, error) {
	if salt != "" {
		h = h.WithSalt()
	}
	if h.Reads(stored, salt) {
		return h, stored, salt, nil
	}
	if salt == "" {
		if h, stored, salt, ok := h.ReadEMQX(stored); ok {
			return h, stored, salt, nil
		}
	}
	return auth.Hash{}, "", "", errUnreadable
}
