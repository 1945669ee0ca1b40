package node

import (
	"path/filepath"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/trace"
)

// openTraces reads the traces that are kept. While one runs, access control
// tells the broker of its decisions.
func (n *Node) openTraces() (err error) {
	n.trace, err = trace.New(trace.Options{
		Dir: filepath.Join(n.Config.Node.DataDir, "trace"), Keep: n.kept.traces, Log: n.log,
		Switched: func(on bool) {
			if !on {
				n.Access.Watch(nil)
				return
			}
			n.Access.Watch(func(d *auth.Decision) { n.Broker.TraceDecision(d) })
		},
	})
	return err
}

// zone finds the zone of a listener, that of the first one for an empty name.
func (n *Node) zone(name string) (string, *broker.Zone, bool) {
	for _, l := range n.Server.Listeners() {
		if name == "" || l.Zone == name {
			z := n.inForce().Zone(l.Zone)
			return l.Zone, &z, true
		}
	}
	return name, nil, false
}

// closeTraces is for when nothing happens any more.
func (n *Node) closeTraces() {
	if err := n.trace.Close(); err != nil {
		n.log.Error("the traces are not closed properly", "err", err)
	}
}
