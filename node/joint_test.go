package node

import (
	"log/slog"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/cluster"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/retain"
)

// slowNetwork is one whose sends wait, once there is a wire.
type slowNetwork struct{ sends, wire chan struct{} }

func (n slowNetwork) Send(_, kind string, _ []byte) error {
	if kind == cluster.KindRoutes {
		n.sends <- struct{}{}
		<-n.wire
	}
	return nil
}

// TestJointCounters: counters don't fall while a node takes its time to leave,
// nor behind that.
func TestJointCounters(t *testing.T) {
	o := broker.Options{Node: "dunlin@host", Hooks: new(hook.Points), Metrics: new(metrics.Registry), Retained: retain.New(retain.Config{}), Log: slog.New(slog.DiscardHandler)}
	o.Config.Broker.SetDefaults()
	o.Config.Modules.SetDefaults()
	br := broker.New(o)
	t.Cleanup(br.Close)
	network := slowNetwork{make(chan struct{}, 1), make(chan struct{})}
	j := &joint{counted: make(map[string]uint64)}
	sent := jointCounters()[0]
	n := cluster.Serve(br, cluster.ServeOptions{Self: "self", Network: network, Log: o.Log})
	j.node.Store(n)
	go n.Up("other", 1)
	<-network.sends // the node can't end before that is over
	sent.of(n).Add(3)
	closed := make(chan struct{})
	go func() { defer close(closed); j.close() }()
	n.Routes.Added("t", false)
	for j.node.Load() != nil {
		time.Sleep(time.Millisecond)
	}
	if got := j.count(sent); got != 3 {
		t.Errorf("%s is %d while the node leaves, want 3", sent.name, got)
	}
	close(network.wire)
	for over := false; !over; {
		select {
		case <-network.sends:
		case <-closed:
			over = true
		}
	}
	if got := j.count(sent); got != 3 {
		t.Errorf("%s is %d when the node has left, want 3", sent.name, got)
	}
}
