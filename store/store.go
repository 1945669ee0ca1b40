// Package store keeps small records through restarts: named maps of keys and
// values in one file of the data directory. Accounts, access rules and bans
// live in it; everything that is written is on the disk when the call returns.
//
// It is for what a person or a program manages, some hundred thousand records
// that change now and then and that are read once at start: who uses a map
// keeps what it needs of it in memory. It is no message store, no cache, and
// knows nothing of what the records mean.
//
// # Design
//
// The file stands in for the replicated maps of a cluster, which will have the
// same methods: a Map is an ordered set of keys, a change is a put or a delete,
// and a reader sees whole changes only. Hence nothing here that can't be
// replicated: no transaction over several maps, no look-up by anything but the
// key, no iterator that stays open.
//
// bbolt was chosen as it is one file, is written copy-on-write with the roots
// changed last, so that a process killed at any moment leaves the state before
// or after a change, and is small. A file of JSON written anew for each change
// was not: adding 100,000 accounts one by one would write terabytes.
//
// A damaged file is found when it is opened, by reading all of it (some 20 MB
// for 100,000 accounts), not in the middle of the night. What is found is
// damage to the order of the file; it holds no checksums of values.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterr "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long Open waits for a process that is just ending.
const lockTimeout = time.Second

// Store is one open file. It is safe for concurrent use; changes take turns.
type Store struct {
	path string
	db   *bolt.DB
}

// Open opens the file, or makes it with its folder, readable by its owner only.
// The error is one sentence that names the file: it is in use by another
// process, damaged, or can't be had for a reason of the system.
func Open(path string) (*Store, error) {
	s := &Store{path: path}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, s.failed("open", err)
	}
	err := guard(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout, FreelistType: bolt.FreelistMapType})
		return err
	})
	if err == nil {
		err = errors.Join(s.readAll(), ownersOnly(path))
	}
	if err != nil {
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
		return nil, s.failed("open", err)
	}
	return s, nil
}

// readAll touches every page that is in use.
func (s *Store) readAll() error {
	return s.view(func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
			return b.ForEach(func(_, _ []byte) error { return nil })
		})
	})
}

// ownersOnly takes back what others may do with a file that was there before.
func ownersOnly(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return os.Chmod(path, 0o600)
}

// Close waits for calls under way; later ones fail.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return s.failed("close", err)
	}
	return nil
}

// Usage is what a map holds.
type Usage struct {
	Name    string
	Records int
	Bytes   int64 // of keys and values
}

// Usage is what all maps hold, by name, and the size of the file, in bytes. It
// goes through all records.
func (s *Store) Usage() (maps []Usage, size int64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		size = tx.Size()
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			u := Usage{Name: string(name)}
			err := b.ForEach(func(k, v []byte) error {
				u.Records++
				u.Bytes += int64(len(k) + len(v))
				return nil
			})
			maps = append(maps, u)
			return err
		})
	})
	if err != nil {
		return nil, 0, s.failed("read", err)
	}
	return maps, size, nil
}

// Path is the file.
func (s *Store) Path() string { return s.path }

// Map returns the map of a name, empty until something is put into it. A Map
// costs nothing and needn't be kept.
func (s *Store) Map(name string) *Map { return &Map{s, []byte(name)} }

// Map is a map of a Store.
type Map struct {
	store *Store
	name  []byte
}

// Each calls f for every record, in the byte order of the keys, until f returns
// an error, which is then Each's. The value belongs to the store: f copies what
// it keeps, changes nothing in it, and must not write to the store.
func (m *Map) Each(f func(key string, value []byte) error) error {
	var stopped error
	err := m.store.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(m.name)
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for k, v := c.First(); k != nil && stopped == nil; k, v = c.Next() {
			stopped = f(string(k), v)
		}
		return nil
	})
	if err != nil {
		return m.store.failed("read", err)
	}
	return stopped
}

// Put sets a key to a copy of value. A key has 1 to 32,768 bytes.
func (m *Map) Put(key string, value []byte) error {
	return m.PutAll(func(yield func(string, []byte) bool) { yield(key, value) })
}

// PutAll puts all records in one change: after an error, or a crash, none of
// them is there. It costs little more than one Put. Values have to stay as they
// are until it returns.
func (m *Map) PutAll(records iter.Seq2[string, []byte]) error {
	type record struct {
		key   string
		value []byte
	}
	var all []record
	for key, value := range records {
		all = append(all, record{key, value})
	}
	// In order each goes behind the one before; otherwise the library shifts
	// all records of the change for each that it inserts.
	slices.SortStableFunc(all, func(a, b record) int { return strings.Compare(a.key, b.key) })
	return m.change(func(b *bolt.Bucket) error {
		for _, r := range all {
			if err := b.Put([]byte(r.key), r.value); err != nil {
				return fmt.Errorf("key %.40q: %w", r.key, err)
			}
		}
		return nil
	})
}

// Delete removes a key. One that isn't there is no error.
func (m *Map) Delete(key string) error {
	return m.change(func(b *bolt.Bucket) error { return b.Delete([]byte(key)) })
}

func (m *Map) change(f func(*bolt.Bucket) error) error {
	err := guard(func() error {
		return m.store.db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(m.name)
			if err != nil {
				return err
			}
			return f(b)
		})
	})
	if err != nil {
		return m.store.failed("write", err)
	}
	return nil
}

func (s *Store) view(f func(*bolt.Tx) error) error {
	return guard(func() error { return s.db.View(f) })
}

// damaged is what the library says, or panics with, where the bytes of the file
// make no sense.
type damaged struct{ found any }

func (d damaged) Error() string { return fmt.Sprint(d.found) }

// guard turns a panic of the library, and the fault that reading behind the
// end of a file cut short raises, into an error.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damaged{r}
		}
	}()
	return f()
}

// failed makes the one sentence of an error.
func (s *Store) failed(doing string, err error) error {
	var broken damaged
	switch {
	case errors.Is(err, bolterr.ErrTimeout):
		return fmt.Errorf("store: %s is in use by another process", s.path)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("store: %s could not be written, as the disk is full", s.path)
	case errors.As(err, &broken), errors.Is(err, bolterr.ErrInvalid), errors.Is(err, bolterr.ErrChecksum), errors.Is(err, bolterr.ErrVersionMismatch):
		return fmt.Errorf("store: %s is damaged, or a file of another program (%w): put a backup in its place, or move it away to start empty", s.path, err)
	case errors.Is(err, bolterr.ErrDatabaseNotOpen):
		return fmt.Errorf("store: %s is closed", s.path)
	}
	var withPath *fs.PathError
	if errors.As(err, &withPath) {
		return fmt.Errorf("store: %s %s: %w", doing, s.path, withPath.Err)
	}
	return fmt.Errorf("store: %s %s: %w", doing, s.path, err)
}
