package durable

import (
	"errors"
	"fmt"
	"strings"
)

// Loading is told what Load finds. Its functions run one at a time.
type Loading struct {
	// Found gets each session with its subscriptions. An error ends Load.
	Found func(*Session) error

	// Damaged is told of a record that can't be read or isn't there, by its
	// key. A session of which chunks are damaged is Found with the others.
	Damaged func(key string, err error)

	// Stray is told of a record that belongs to no session, as a crash between
	// two writes leaves it behind: it may be deleted.
	Stray func(key string)
}

// Load reads all sessions. each goes through the records of their map, in any
// order; what it gives is not kept. Sessions with chunks come at the end, and
// are in memory until then.
func Load(each func(func(key string, value []byte) error) error, to Loading) error {
	heads := map[string]*Session{}
	var parser sessionParser
	type chunk struct {
		Key
		subs []Subscription
	}
	var chunks []chunk
	err := each(func(key string, value []byte) error {
		k, ok := ParseKey(key)
		if IsMark(key) {
			return nil
		}
		if !ok {
			to.Damaged(key, errors.New("the key is none of a session"))
			return nil
		}
		if k.Chunk < 0 {
			s, err := parser.parse(strings.Clone(k.ClientID), value) // the key may be a part of something larger
			switch {
			case err != nil:
				to.Damaged(key, err)
			case s.Chunks == 0:
				return to.Found(s)
			default:
				heads[k.ClientID] = s
			}
			return nil
		}
		subs, err := ParseChunk(value)
		if err != nil {
			to.Damaged(key, err)
			return nil
		}
		chunks = append(chunks, chunk{k, subs})
		return nil
	})
	if err != nil {
		return err
	}
	missing := map[string]int{}
	for id, s := range heads {
		missing[id] = s.Chunks
	}
	for _, c := range chunks {
		s := heads[c.ClientID]
		if s == nil || s.Layout != c.Layout || c.Chunk >= s.Chunks {
			to.Stray(ChunkKey(c.ClientID, c.Layout, c.Chunk))
			continue
		}
		s.Subscriptions = append(s.Subscriptions, c.subs...)
		missing[c.ClientID]--
	}
	for id, s := range heads {
		if n := missing[id]; n > 0 {
			to.Damaged(SessionKey(id), fmt.Errorf("%d of its %d records of subscriptions are missing", n, s.Chunks))
		}
		if err := to.Found(s); err != nil {
			return err
		}
	}
	return nil
}
