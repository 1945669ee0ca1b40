// Package store reads the file in which versions before the engine kept small
// records: named maps of keys and values, in the form of bbolt. A node takes it
// over at its first start with an engine.
//
// It writes nothing and knows nothing of what the records mean. It is to go
// when nobody comes from such a version any more.
package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterr "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long Read waits for a process that is just ending.
const lockTimeout = time.Second

// Read calls f with each map of a file. The records are f's. The error is f's,
// or one sentence that names the file: it is in use by another process,
// damaged, or can't be had for a reason of the system.
func Read(path string, f func(name string, records map[string][]byte) error) error {
	var db *bolt.DB
	all := make(map[string]map[string][]byte)
	err := guard(func() (err error) {
		if db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout, ReadOnly: true}); err != nil {
			return err
		}
		return db.View(func(tx *bolt.Tx) error { return readAll(tx, all) })
	})
	if db != nil {
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return failed(path, err)
	}
	for name, records := range all {
		if err := f(name, records); err != nil {
			return err
		}
	}
	return nil
}

func readAll(tx *bolt.Tx, all map[string]map[string][]byte) error {
	return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		records := make(map[string][]byte)
		all[string(name)] = records
		return b.ForEach(func(k, v []byte) error {
			records[string(k)] = bytes.Clone(v)
			return nil
		})
	})
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
func failed(path string, err error) error {
	var broken damaged
	switch {
	case errors.Is(err, bolterr.ErrTimeout):
		return fmt.Errorf("store: %s is in use by another process", path)
	case errors.As(err, &broken), errors.Is(err, bolterr.ErrInvalid), errors.Is(err, bolterr.ErrChecksum), errors.Is(err, bolterr.ErrVersionMismatch):
		return fmt.Errorf("store: %s is damaged, or a file of another program (%w): put a backup in its place, or move it away to start without what it has", path, err)
	}
	var withPath *fs.PathError
	if errors.As(err, &withPath) {
		return fmt.Errorf("store: open %s: %w", path, withPath.Err)
	}
	return fmt.Errorf("store: open %s: %w", path, err)
}
