package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Copied is nil when everything is on as many nodes as it should be: on all of
// the members, three at most. Otherwise it says what isn't: then a member that
// goes may leave too few copies to go on with, or, alone, take some with it.
// It asks the cluster, and waits no longer than ctx lasts.
func (e *Engine) Copied(ctx context.Context) error {
	l := e.to()
	if l == nil || !l.clustered {
		return nil
	}
	if !e.quorate() {
		return ErrNoQuorum
	}
	want := min(len(e.Members()), mostCopies)
	var errs []error
	for _, s := range e.all() {
		info, err := l.js.StreamInfo(s.name, nats.Context(ctx))
		if err == nil {
			err = copiesOf(info, want)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("engine: %s: %w", s.name, sentence(err)))
		}
	}
	return errors.Join(errs...)
}

// copiesOf says whether a stream has that many complete copies.
func copiesOf(info *nats.StreamInfo, want int) error {
	if info.Cluster == nil || info.Cluster.Leader == "" {
		return errors.New("nobody leads it")
	}
	whole := 1 // the leader's
	for _, r := range info.Cluster.Replicas {
		if r.Current && !r.Offline {
			whole++
		}
	}
	if whole < want {
		return fmt.Errorf("%d of %d copies are complete", whole, want)
	}
	return nil
}
