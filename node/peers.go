package node

import (
	"context"

	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/engine"
)

// manageKind is the kind of the messages in which management APIs ask each
// other.
const manageKind = "manage"

// managers are the management APIs of all nodes, which the engine connects.
type managers struct{ *engine.Engine }

// Members is api.Peers'.
func (m managers) Members() []api.Member {
	self := m.Self().ID
	var all []api.Member
	for _, one := range m.Engine.Members() {
		all = append(all, api.Member{ID: one.ID, Name: one.Node, Self: one.ID == self, Alive: one.Alive})
	}
	return all
}

// Ask is api.Peers'.
func (m managers) Ask(ctx context.Context, id string, question []byte) ([]byte, error) {
	return m.Request(ctx, id, manageKind, question)
}
