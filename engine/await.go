package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// saidAfter is how long others are waited for without a word.
	saidAfter = 5 * time.Second
	// settledAfter is how many looks in a row, growStep apart, find a server
	// that knows what has been decided; it takes a moment to act on it.
	settledAfter = 6
)

// settled waits until the server knows what the cluster has decided, or ctx ends.
func (e *Engine) settled(ctx context.Context, l *link) bool {
	looks := 0
	return e.until(ctx, func() error {
		z, err := l.server.Jsz(nil)
		if err != nil || z.Meta == nil || z.Meta.Leader == "" || !l.server.JetStreamIsCurrent() {
			looks = 0
			return errors.Join(ErrNoQuorum, err)
		}
		if looks++; looks < settledAfter {
			return ErrNoQuorum
		}
		return nil
	}) == nil
}

// settledWithin is settled for a time.
func (e *Engine) settledWithin(patience time.Duration, l *link) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return e.settled(ctx, l)
}

// soon waits for others as long as records may be held back.
func (e *Engine) soon(l *link) error {
	if e.settledWithin(growWithin, l) {
		return nil
	}
	return fmt.Errorf("%w%s", ErrNoQuorum, e.unreached(l))
}

// atLast waits for others until ctx ends: after a power cut nodes come back in
// any order, and minutes apart.
func (e *Engine) atLast(ctx context.Context, l *link) error {
	if e.settled(ctx, l) {
		return nil
	}
	return fmt.Errorf("%w%s: %w", ErrNoQuorum, e.unreached(l), ctx.Err())
}

// majority is how many of the members vote, and how many of them decide.
func (e *Engine) majority() (voters, most int) {
	voters = 1
	for _, m := range e.cluster.others() {
		if !m.Joining {
			voters++
		}
	}
	return voters, voters/2 + 1
}

// unreached names the members that this node is not connected to.
func (e *Engine) unreached(l *link) string {
	connected := make(map[string]bool)
	if z, err := l.server.Routez(nil); err == nil {
		for _, r := range z.Routes {
			connected[r.RemoteName] = true
		}
	}
	var names []string
	for _, m := range e.cluster.others() {
		if !connected[m.ID] {
			names = append(names, m.Node+" at "+m.Address)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": these can't be reached: " + strings.Join(names, ", ")
}
