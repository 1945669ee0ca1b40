package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/keep"
)

// Path is the folder of the files.
func (e *Engine) Path() string { return e.o.Dir }

// Usage is what maps and logs hold, by name, and the bytes of their files. It
// reads all records of the small maps; of the others, bytes and records are
// those of the files, in which a key that was deleted counts for a day.
func (e *Engine) Usage() (all []keep.Usage, size int64, err error) {
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if closed {
		return nil, 0, ErrClosed
	}
	small := make(map[string]*keep.Usage)
	for info := range e.to().js.Streams() {
		size += int64(info.State.Bytes)
		if name := info.Config.Name; name != sharedMaps {
			all = append(all, keep.Usage{Name: strings.TrimPrefix(name, bigMap), Records: int(info.State.Msgs), Bytes: int64(info.State.Bytes)})
			continue
		}
		if err := e.countSmall(small); err != nil {
			return nil, 0, err
		}
	}
	for _, u := range small {
		all = append(all, *u)
	}
	slices.SortFunc(all, func(a, b keep.Usage) int { return cmp.Compare(a.Name, b.Name) })
	return all, size, nil
}

// countSmall counts what the maps hold that share a stream.
func (e *Engine) countSmall(usage map[string]*keep.Usage) error {
	shared, err := e.openMap("usage", sharedMaps) // any of them leads to the stream
	if err != nil {
		return err
	}
	_, all, err := shared.s.walk(1, patience(), func(r record) error {
		name, token, _ := strings.Cut(strings.TrimPrefix(r.subject, "M."), ".")
		c, err := parseKeyed(token, r.data)
		if err != nil {
			return fmt.Errorf("engine: map %s, record %d: %w", name, r.seq, err)
		}
		if c.Deleted {
			return nil
		}
		if usage[name] == nil {
			usage[name] = &keep.Usage{Name: name}
		}
		usage[name].Records++
		usage[name].Bytes += int64(len(c.Key) + len(c.Value))
		return nil
	})
	if err == nil && !all {
		err = fmt.Errorf("engine: read the small maps: %w", errBehind)
	}
	return err
}
