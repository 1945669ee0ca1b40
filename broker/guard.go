package broker

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// guards are the messages of shared groups that other nodes have given to a
// member here and keep until its client has acknowledged: if this node dies before,
// somebody else gets them. At QoS 1 only: one of QoS 2 that is on its way must not
// go to another client [MQTT-4.8.2-5], and one of QoS 0 isn't acknowledged.
type guards struct {
	n atomic.Int32 // in all; who finds none takes no lock

	mu    sync.Mutex
	all   map[*mqtt.Message]func(kept bool) // by the kept message, of which each has its own
	order []guardSince                      // those settled since are still in it
}

type guardSince struct {
	m  *mqtt.Message
	at int64
}

// guardTime is how long, in milliseconds, another node keeps a message for a
// client here at most: it has room for some thousands, and who takes longer may
// be away for days.
const guardTime = 60_000

// spareGuards is how many that are settled may stay in the order at least.
const spareGuards = 256

// add has done called when the client that gets m, a kept message, has
// acknowledged it or will not get it any more.
func (gs *guards) add(m *mqtt.Message, now int64, done func(kept bool)) {
	gs.mu.Lock()
	if gs.all == nil {
		gs.all = make(map[*mqtt.Message]func(bool))
	}
	gs.all[m] = done
	gs.order = append(gs.order, guardSince{m, now})
	var late []func(bool)
	for len(gs.order) > 0 && (gs.all[gs.order[0].m] == nil || now-gs.order[0].at >= guardTime) {
		if f := gs.all[gs.order[0].m]; f != nil {
			late = append(late, f)
			delete(gs.all, gs.order[0].m)
		}
		gs.order[0] = guardSince{}
		gs.order = gs.order[1:]
	}
	if len(gs.order) > 2*len(gs.all)+spareGuards { // those settled behind one that takes long would keep their messages in memory
		gs.order = slices.DeleteFunc(gs.order, func(g guardSince) bool { return gs.all[g.m] == nil })
	}
	gs.n.Store(int32(len(gs.all)))
	gs.mu.Unlock()
	for _, f := range late {
		f(true)
	}
}

// settle ends the guard of m, if there is one. It may be called with a client
// entered.
func (gs *guards) settle(m *mqtt.Message) {
	if f := gs.take(m); f != nil {
		f(true)
	}
}

// take is settle without telling anybody.
func (gs *guards) take(m *mqtt.Message) (done func(kept bool)) {
	if m == nil || gs.n.Load() == 0 {
		return nil
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	done = gs.all[m]
	delete(gs.all, m)
	gs.n.Store(int32(len(gs.all)))
	return done
}
