// Package keep is what the parts of a node share about records that outlive
// the process and are the same on all nodes of a cluster: what such a map
// offers, and how a part follows one in memory. Accounts, rules, bans, logins,
// retained and delayed messages are kept in this way.
//
// There is one way in for a change: Put and Delete go to the map, and memory
// changes when Watch tells of it, whichever node has made the change. A change
// that the map refuses hence leaves memory as it was, here and elsewhere.
//
// Package engine has the map that is on disk and on all nodes; the one here,
// Memory, is for a part of which nothing has to outlive the process. Nothing
// here knows what the records mean.
package keep

import (
	"errors"
	"iter"
	"log/slog"
)

// Change is what a watch is told.
type Change struct {
	Key     string
	Value   []byte // not changed by anybody afterwards; nil if Deleted
	Deleted bool
	Current bool // no change: all records that there were have been told of
}

// Map keeps a value for each key, a non-empty text of any bytes. All methods
// may be called at the same time, but none by a function that watches it.
type Map interface {
	// Put sets a key to a copy of value. It waits until that is kept, and
	// until the watches of this process were told of it, or of a later change
	// of the key. An error is one sentence that names the cause, and means
	// that nothing has changed, unless the connection to it was lost on the way.
	Put(key string, value []byte) error
	// PutAll is Put for many, and costs little more than one. After an error
	// some may be kept. Values have to stay as they are until it returns.
	PutAll(records iter.Seq2[string, []byte]) error
	// Delete removes a key, and waits as Put does. One that isn't there is no
	// error.
	Delete(key string) error
	// Watch calls f for every record that there is, in any order, then once
	// with Current, and then for every change in the order of the map, one
	// call at a time; of several changes of a key before f can be called the
	// last one is enough. f must not block.
	Watch(f func(Change)) (stop func(), err error)
}

// Later is for who can't wait, such as an event loop.
type Later interface {
	// PutLater is Put, but doesn't wait: done, if not nil, is called when it
	// has ended, by another goroutine, in the order of the calls. It must not
	// block. value must stay as it is until then.
	PutLater(key string, value []byte, done func(error))
	// DeleteLater is Delete in the same way.
	DeleteLater(key string, done func(error))
}

// LaterMap is a Map for both.
type LaterMap interface {
	Map
	Later
}

// Conditional is for who removes what may just be made anew on another node.
type Conditional interface {
	// DeleteIf is Delete if is reports true of the value, which no other takes
	// the place of meanwhile; else nothing happens. is must not block.
	DeleteIf(key string, is func(value []byte) bool) error
}

// Usage is what a map holds.
type Usage struct {
	Name    string
	Records int
	Bytes   int64 // of keys and values
}

// Follow calls apply for every record of a map, one call at a time, and
// returns when it was called for all that there are; then it goes on with each
// change, as long as the map is open. The error is Watch's, or joins what
// apply said about records; what it says about later changes is logged.
func Follow(m Map, log *slog.Logger, apply func(Change) error) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	current := make(chan struct{})
	var bad []error
	loading := true
	_, err := m.Watch(func(c Change) {
		if c.Current {
			if loading {
				loading = false
				close(current)
			}
			return
		}
		switch err := apply(c); {
		case err == nil:
		case loading:
			bad = append(bad, err)
		default:
			log.Error("a record that has changed can't be used, and what was in force stays", "err", err)
		}
	})
	if err != nil {
		return err
	}
	<-current
	return errors.Join(bad...)
}
