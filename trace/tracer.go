package trace

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-mq/dunlin/linefile"
)

// Options are what New needs.
type Options struct {
	Dir  string // of the files of named traces; it is made
	Keep Keeper // of named traces; nil: they are gone with the process
	Log  *slog.Logger
	// Switched, if not nil, is called when the first trace begins to run and
	// when the last one has ended, one call after the other. It must not call
	// back.
	Switched func(on bool)
}

// Keeper keeps records for good, such as a map of package engine.
type Keeper interface {
	Each(f func(key string, value []byte) error) error
	Put(key string, value []byte) error
	Delete(key string) error
}

// Tracer has the traces of a node: named ones, which end at their time and
// outlive the process, and those to a file of the operator's choice. All methods
// may be called at the same time; those but Active may wait for a disk.
type Tracer struct {
	active atomic.Pointer[Active]
	o      Options
	root   *os.Root

	mu     sync.Mutex
	named  map[string]*entry
	files  []*entry
	timer  *time.Timer // for the next begin or end
	closed bool
	ending sync.WaitGroup
}

// entry is one trace.
type entry struct {
	Spec
	Stopped bool      `json:"stopped,omitempty"`
	path    string    // of a trace to a file
	run     *recorder // nil: it doesn't run
	lost    int64     // of earlier runs
}

// ended is how long the end of a trace waits for its last lines.
const ended = 3 * time.Second

// New reads the traces that are kept, and goes on with those that were running.
func New(o Options) (*Tracer, error) {
	if o.Switched == nil {
		o.Switched = func(bool) {}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder of traces can't be made: %w", err)
	}
	root, err := os.OpenRoot(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("the folder of traces can't be used: %w", err)
	}
	t := &Tracer{o: o, root: root, named: make(map[string]*entry)}
	if err := t.load(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.named {
		if err := t.begin(e, time.Now()); err != nil {
			o.Log.Error("a trace can't go on after the start", "trace", e.Name, "err", err)
		}
	}
	t.arrange()
	return t, nil
}

// Active is nil as long as nothing is traced, and for a nil Tracer.
func (t *Tracer) Active() *Active {
	if t == nil {
		return nil
	}
	return t.active.Load()
}

// Start adds a named trace. The error is Invalid, ErrExists, ErrDuplicate, or
// says why it can't be kept or written.
func (t *Tracer) Start(s Spec) error {
	now := time.Now()
	if err := s.complete(now); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return errClosed
	case t.named[s.Name] != nil:
		return ErrExists
	case len(t.named)+len(t.files) >= Most:
		return ErrTooMany
	}
	for _, e := range t.named {
		if e.Type == s.Type && e.Value == s.Value && e.status(now) != Stopped {
			return ErrDuplicate
		}
	}
	e := &entry{Spec: s}
	if err := t.removeFiles(e); err != nil { // of a trace that nobody knows any more
		return err
	}
	if err := t.begin(e, now); err != nil {
		return err
	}
	t.named[s.Name] = e
	t.arrange()
	if err := t.keep(e); err != nil {
		return errors.Join(err, t.forget(e))
	}
	return nil
}

// Stop ends a named trace before its time; its file stays.
func (t *Tracer) Stop(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.named[name]
	if e == nil {
		return ErrNotFound
	}
	return t.stop(e, "stopped")
}

// Delete ends a named trace and deletes its file.
func (t *Tracer) Delete(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.named[name]
	if e == nil {
		return ErrNotFound
	}
	return t.forget(e)
}

// DeleteAll deletes all named traces.
func (t *Tracer) DeleteAll() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for _, e := range t.named {
		errs = append(errs, t.forget(e))
	}
	return errors.Join(errs...)
}

// Close ends all traces for now: named ones go on after the next start.
func (t *Tracer) Close() error {
	t.mu.Lock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
	for _, e := range append(t.all(), t.files...) {
		t.end(e, "the node stops")
	}
	t.arrange()
	t.mu.Unlock()
	t.ending.Wait()
	return t.root.Close()
}

func (t *Tracer) all() (all []*entry) {
	for _, e := range t.named {
		all = append(all, e)
	}
	return all
}

// begin opens the file of a trace if it is time for it. t.mu is held, as it is
// in all that follows.
func (t *Tracer) begin(e *entry, now time.Time) (err error) {
	if e.run != nil || e.status(now) != Running {
		return nil
	}
	file := &linefile.File{Path: e.Name + extension, Root: t.root, Mode: 0o600, Size: e.MaxSize}
	if e.path != "" {
		*file = linefile.File{Path: e.path, Mode: 0o600, Size: e.MaxSize, Keep: 1}
	}
	e.run, err = record(&e.Spec, e.title(), file, t.o.Log, func() { t.ending.Go(func() { t.filled(e) }) })
	if err != nil {
		e.Stopped = true
		return fmt.Errorf("the file of the trace can't be written: %w", err)
	}
	return nil
}

// end ends the recording of a trace, if there is one, and waits a moment for
// its last lines.
func (t *Tracer) end(e *entry, reason string) {
	r := e.run
	if r == nil {
		return
	}
	e.run = nil
	r.end(reason)
	if !r.queue.Wait(ended) {
		t.o.Log.Error("the end of a trace can't be written", "trace", r.title, "file", r.file.Path)
	}
	e.lost += r.queue.Lost()
}

// stop ends a trace for good.
func (t *Tracer) stop(e *entry, reason string) error {
	e.Stopped = true
	t.end(e, reason)
	t.arrange()
	return t.keep(e)
}

// filled is called when the file of a trace has its size.
func (t *Tracer) filled(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || e.run == nil {
		return
	}
	if err := t.stop(e, "max_size"); err != nil {
		t.o.Log.Error("the end of a trace can't be kept", "trace", e.title(), "err", err)
	}
}

// forget deletes a named trace with its file.
func (t *Tracer) forget(e *entry) error {
	t.end(e, "deleted")
	delete(t.named, e.Name)
	t.arrange()
	errs := []error{t.removeFiles(e)}
	if t.o.Keep != nil {
		errs = append(errs, t.o.Keep.Delete(e.Name))
	}
	return errors.Join(errs...)
}

func (t *Tracer) removeFiles(e *entry) error {
	if err := t.root.Remove(e.Name + extension); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// tick begins and ends what it is time for.
func (t *Tracer) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	now := time.Now()
	for _, e := range t.named {
		if e.status(now) == Stopped {
			t.end(e, "end_at")
		} else if err := t.begin(e, now); err != nil {
			t.o.Log.Error("a trace can't begin", "trace", e.Name, "err", err)
		}
	}
	t.arrange()
}

// arrange makes those active that run, and sets the timer.
func (t *Tracer) arrange() {
	var running []*recorder
	next, now := time.Time{}, time.Now()
	sooner := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for _, e := range append(t.all(), t.files...) {
		if e.run != nil {
			running = append(running, e.run)
		}
		switch status := e.status(now); {
		case e.path != "" || t.closed:
		case status == Waiting:
			sooner(e.Start)
		case e.run != nil:
			sooner(e.End)
		}
	}
	was := t.active.Load() != nil
	if on := len(running) > 0; on != was {
		t.o.Switched(on)
	}
	t.active.Store(newActive(running))
	if t.timer != nil {
		t.timer.Stop()
	}
	if !next.IsZero() {
		t.timer = time.AfterFunc(max(time.Until(next), 0), t.tick)
	}
}

// What a trace can be at a moment.
const (
	Waiting = "waiting"
	Running = "running"
	Stopped = "stopped"
)

func (e *entry) status(now time.Time) string {
	switch {
	case e.Stopped || e.path == "" && !now.Before(e.End):
		return Stopped
	case e.path == "" && now.Before(e.Start):
		return Waiting
	}
	return Running
}

func (e *entry) title() string { return cmp.Or(e.Name, e.Type+" "+e.Value) }

// Status is a trace at a moment.
type Status struct {
	Spec
	File   string // its path, as it was given or below Options.Dir
	Status string // Waiting, Running or Stopped
	Size   int64  // bytes
	Lost   int64  // lines that could not be written, since the start of the process
}

func (t *Tracer) look(e *entry, now time.Time) Status {
	s := Status{Spec: e.Spec, File: cmp.Or(e.path, filepath.Join(t.o.Dir, e.Name+extension)), Status: e.status(now), Lost: e.lost}
	if e.run != nil {
		s.Lost += e.run.queue.Lost()
	}
	if info, err := os.Stat(s.File); err == nil {
		s.Size = info.Size()
	}
	return s
}

// List returns the named traces, the newest first.
func (t *Tracer) List() []Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, now := []Status{}, time.Now()
	for _, e := range t.named {
		all = append(all, t.look(e, now))
	}
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.Name, b.Name))
	})
	return all
}
