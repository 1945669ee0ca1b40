package node

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/engine"
)

// StorageConfig says how what has to outlive the process is kept. EMQ X keeps
// hardly anything, and has no such key.
type StorageConfig struct {
	// Durability is what an acknowledgement promises: "os", the operating system
	// has it, so that the process may be killed at any moment; "always", the disk
	// has it, so that the machine may lose its power.
	Durability string `conf:"durability" oneof:"os always"`
}

// SetDefaults gives the value of a configuration that says nothing.
func (c *StorageConfig) SetDefaults() { c.Durability = engine.DurabilityOS }

// Names of alarms. EMQ X has none of the kind.
const (
	notWritable = "storage_not_writable"
	noQuorum    = "storage_no_quorum"
	damaged     = "storage_damaged"
)

// ailments are the alarms of what is wrong with the engine, and with what it
// had kept for the broker.
func (n *Node) ailments() (all []alarm.Cause) {
	var loss []string
	for _, err := range n.kept.engine.Ailments() {
		text := strings.TrimPrefix(err.Error(), "engine: ")
		switch {
		case errors.Is(err, engine.ErrFull):
			all = append(all, alarm.Cause{
				Name: notWritable, Message: "Nothing can be kept: " + text, Details: alarm.Details{"dir": n.kept.dir, "error": text},
			})
		case errors.Is(err, engine.ErrNoQuorum):
			all = append(all, alarm.Cause{Name: noQuorum, Message: "Nothing can be kept: " + text, Details: n.members()})
		default:
			loss = append(loss, text)
		}
	}
	unread := n.unread.Load()
	if unread > 0 {
		loss = append(loss, fmt.Sprintf("%d sessions can't be restored, or not as a whole", unread))
	}
	if len(loss) > 0 {
		text := strings.Join(loss, "; ")
		all = append(all, alarm.Cause{
			Name: damaged, Message: "What was kept is damaged: " + text, Details: alarm.Details{"error": text, "sessions": unread},
		})
	}
	return all
}

// members says which nodes can be reached, and which can't.
func (n *Node) members() alarm.Details {
	up, down := []string{}, []string{}
	for _, m := range n.kept.engine.Members() {
		if m.Alive {
			up = append(up, m.Node)
		} else {
			down = append(down, m.Node)
		}
	}
	return alarm.Details{"reachable": up, "unreachable": down}
}

// watchStorage returns a source of alarms. Whoever ends the alarm of damage by
// hand has taken note of it: it comes again only with other damage.
func (n *Node) watchStorage() func() ([]alarm.Cause, error) {
	named := false
	return func() ([]alarm.Cause, error) {
		if named && !n.Alarms.IsActive(damaged) {
			n.kept.engine.Acknowledge()
			n.unread.Store(0)
		}
		all := n.ailments()
		named = false
		for i := range all {
			named = named || all[i].Name == damaged
		}
		return all, nil
	}
}

// degraded says what doesn't work although clients can connect; empty: all does.
func (n *Node) degraded() string {
	switch err := n.kept.engine.Health(); {
	case errors.Is(err, engine.ErrFull), errors.Is(err, engine.ErrNoQuorum):
		return "nothing can be kept, so QoS 1 and 2 for durable sessions is refused"
	}
	return ""
}
