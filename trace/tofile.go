package trace

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// StartFile begins a trace to a file, which is appended to and has no end. It
// runs until StopFile or the end of the process; a file of MaxSize becomes
// FILE.1. Name, Start and End of the Spec have no meaning. The error is
// Invalid, ErrDuplicate, or says why the file can't be written.
func (t *Tracer) StartFile(s Spec, path string) error {
	if err := s.check(); err != nil {
		return err
	}
	if path == "" {
		return Invalid("a file is needed")
	}
	path = filepath.Clean(path)
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeNamedPipe != 0 { // opening it waits for a reader
		return Invalid(path + " is a pipe")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return errClosed
	case t.file(s.Type, s.Value) >= 0:
		return ErrDuplicate
	case slices.ContainsFunc(t.files, func(e *entry) bool { return e.path == path }):
		return Invalid("another trace writes this file")
	case len(t.named)+len(t.files) >= Most:
		return ErrTooMany
	}
	s.Name, s.Start, s.End = "", time.Now(), time.Time{}
	e := &entry{Spec: s, path: path}
	if err := t.begin(e, s.Start); err != nil {
		return err
	}
	t.files = append(t.files, e)
	t.arrange()
	return nil
}

// StopFile ends a trace to a file.
func (t *Tracer) StopFile(kind, value string) error {
	s := Spec{Type: kind, Value: value}
	if err := s.checkCondition(); err != nil { // it may be written otherwise
		return errors.Join(ErrNotFound, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.file(kind, s.Value)
	if i < 0 {
		return ErrNotFound
	}
	e := t.files[i]
	t.files = slices.Delete(t.files, i, i+1)
	t.end(e, "stopped")
	t.arrange()
	return nil
}

func (t *Tracer) file(kind, value string) int {
	return slices.IndexFunc(t.files, func(e *entry) bool { return e.Type == kind && e.Value == value })
}

// Files returns the traces to files, the oldest first.
func (t *Tracer) Files() []Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, now := []Status{}, time.Now()
	for _, e := range t.files {
		all = append(all, t.look(e, now))
	}
	return all
}
