package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
)

// starting is a node that is being started.
type starting struct {
	e    *Engine
	err  error
	done sync.WaitGroup
}

// begin starts a node that may wait for others.
func begin(ctx context.Context, t *testing.T, o Options) *starting {
	t.Helper()
	s := new(starting)
	s.done.Go(func() { s.e, s.err = StartContext(ctx, o) })
	t.Cleanup(func() {
		if s.done.Wait(); s.err == nil {
			s.err = s.e.Close()
		}
		if s.err != nil && !errors.Is(s.err, context.Canceled) {
			t.Error(s.err)
		}
	})
	return s
}

// up waits until the node has started.
func (s *starting) up(t *testing.T) *Engine {
	t.Helper()
	if s.done.Wait(); s.err != nil {
		t.Fatal(s.err)
	}
	return s.e
}

// lonely begins to start a node of three, and returns when it says that it waits.
func lonely(ctx context.Context, t *testing.T, o Options) *starting {
	t.Helper()
	var log operatorLog
	o.Log = log.Logger()
	s := begin(ctx, t, o)
	eventually(t, o.Node+" waits", func() bool {
		return strings.Contains(log.String(), "engine: waiting until 2 of the 3 members of the cluster run: these can't be reached: ")
	})
	log.clean(t)
	return s
}

// TestStartWaits: a node that starts without a majority waits for one, until it is
// stopped, and then has what was kept.
func TestStartWaits(t *testing.T) {
	t.Parallel()
	options := []Options{node(t, "a"), node(t, "b"), node(t, "c")}
	all := together(t, options...)
	kept(t, openLog(t, all[0], "l", LogOptions{Shards: 1}), "t", 0, 100)
	copied(t, all...)
	for _, e := range all {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := lonely(ctx, t, options[0])
	stop()
	if stopped.done.Wait(); !errors.Is(stopped.err, context.Canceled) || !errors.Is(stopped.err, ErrNoQuorum) {
		t.Fatal(stopped.err)
	}
	a := lonely(t.Context(), t, options[0])
	b := begin(t.Context(), t, options[1])
	for _, s := range []*starting{a, b} {
		e := s.up(t)
		l := openLog(t, e, "l", LogOptions{Shards: 1})
		holds(t, e, l, 100)
	}
	kept(t, openLog(t, a.e, "l", LogOptions{Shards: 1}), "t", 100, 110)
}
