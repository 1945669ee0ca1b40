package broker

import "github.com/dunlin-mq/dunlin/hook"

// The hooks of what clients ask for are run by whoever reads their packets,
// package server or a gateway, through these functions, which count as EMQ X
// does: each time, whether anything hangs on the hook or not.

// OnConnect runs client.connect.
func (br *Broker) OnConnect(e *hook.ClientConnect) {
	br.count.connect.Inc()
	br.Hooks.ClientConnect.Run(e)
}

// OnConnack runs client.connack.
func (br *Broker) OnConnack(e *hook.ClientConnack) {
	br.count.connack.Inc()
	br.Hooks.ClientConnack.Run(e)
}

// OnSubscribe runs client.subscribe.
func (br *Broker) OnSubscribe(e *hook.ClientSubscribe) {
	br.count.subscribe.Inc()
	br.Hooks.ClientSubscribe.Run(e)
}

// OnUnsubscribe runs client.unsubscribe.
func (br *Broker) OnUnsubscribe(e *hook.ClientUnsubscribe) {
	br.count.unsubscribe.Inc()
	br.Hooks.ClientUnsubscribe.Run(e)
}
