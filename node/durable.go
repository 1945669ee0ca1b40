package node

import (
	"reflect"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/engine"
)

// openDurable opens the log and the maps in which durable sessions are kept.
func (n *Node) openDurable(c *Config) (*broker.Durable, error) {
	e, o := n.kept.engine, c.Broker.Durability
	messages, err := e.Log("messages", engine.LogOptions{Shards: o.LogShards, MaxAge: o.LogMaxAge, MaxBytes: int64(o.LogMaxBytes)})
	if err != nil {
		return nil, err
	}
	sessions, err := e.BigMap("sessions")
	if err != nil {
		return nil, err
	}
	states, err := e.BigMap("states")
	if err != nil {
		return nil, err
	}
	return &broker.Durable{
		Messages: messages, Sessions: sessions, States: states, Delayed: n.kept.delayed,
		Zone:    func(name string) *broker.Zone { return n.zoneNamed(n.current.Load(), name) },
		Members: n.sharers,
	}, nil
}

// sharers are the nodes that have the same log and maps, by age.
func (n *Node) sharers() (self string, all []broker.Member) {
	for _, m := range n.kept.engine.Members() {
		all = append(all, broker.Member{ID: m.ID, Alive: m.Alive})
	}
	return n.kept.engine.Self().ID, all
}

// restore brings the durable sessions of the last run back.
func (n *Node) restore() error {
	found, err := n.Broker.Restore()
	n.unread.Store(int64(found.Damaged))
	if err == nil && found != (broker.Restored{}) {
		n.log.Info("sessions are restored", "sessions", found.Sessions, "subscriptions", found.Subscriptions, "damaged", found.Damaged)
	}
	return err
}

// zoneNamed is the zone of a name. It is the same one as long as nothing in it
// changes.
func (n *Node) zoneNamed(c *Config, name string) *broker.Zone {
	n.zones.Lock()
	defer n.zones.Unlock()
	z := c.Zone(name)
	if old := n.zones.all[name]; old == nil || !reflect.DeepEqual(*old, z) {
		n.zones.all[name] = &z
	}
	return n.zones.all[name]
}
