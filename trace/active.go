package trace

import (
	"net/netip"
	"strings"

	"github.com/dunlin-mq/dunlin/topic"
)

// Active are the traces that run, by what they are about. It never changes.
type Active struct {
	clients  map[string]Watch
	networks []network
	topics   []filtered
}

type network struct {
	netip.Prefix
	to *recorder
}

type filtered struct {
	filter string
	to     *recorder
}

// Watch is those traces that are about something; empty: none.
type Watch []*recorder

// newActive is nil without recorders.
func newActive(all []*recorder) *Active {
	if len(all) == 0 {
		return nil
	}
	a := &Active{clients: make(map[string]Watch)}
	for _, r := range all {
		switch r.spec.Type {
		case ClientID:
			a.clients[r.spec.Value] = append(a.clients[r.spec.Value], r)
		case Topic:
			a.topics = append(a.topics, filtered{r.spec.Value, r})
		case IPAddress:
			p, err := parseNetwork(r.spec.Value)
			if err == nil { // always: it was checked
				a.networks = append(a.networks, network{p, r})
			}
		}
	}
	return a
}

// Client finds the traces about a client or its address.
func (a *Active) Client(id string, peer netip.Addr) Watch {
	w := a.clients[id]
	if len(a.networks) == 0 {
		return w
	}
	w = w[:len(w):len(w)]
	peer = peer.Unmap().WithZone("")
	for _, n := range a.networks {
		if n.Contains(peer) {
			w = append(w, n.to)
		}
	}
	return w
}

// Message finds the traces about a client, its address, or the topic of a
// message.
func (a *Active) Message(id string, peer netip.Addr, name string) Watch {
	w := a.Client(id, peer)
	w = w[:len(w):len(w)]
	for _, t := range a.topics {
		if topic.Match(t.filter, name) {
			w = append(w, t.to)
		}
	}
	return w
}

// Filters finds the traces about a client, its address, or a topic that one of
// these filters, given without $share and such, may match too.
func (a *Active) Filters(id string, peer netip.Addr, filters ...string) Watch {
	w := a.Client(id, peer)
	w = w[:len(w):len(w)]
	for _, t := range a.topics {
		for _, f := range filters {
			if overlap(t.filter, f) {
				w = append(w, t.to)
				break
			}
		}
	}
	return w
}

// overlap reports whether there is a topic that both filters match.
func overlap(a, b string) bool {
	wild := func(s string) bool { return strings.HasPrefix(s, "+") || strings.HasPrefix(s, "#") }
	if wild(a) && strings.HasPrefix(b, "$") || wild(b) && strings.HasPrefix(a, "$") {
		return false // [MQTT-4.7.2-1]
	}
	for {
		x, restA, moreA := strings.Cut(a, "/")
		y, restB, moreB := strings.Cut(b, "/")
		switch {
		case x == "#" || y == "#":
			return true
		case x != y && x != "+" && y != "+":
			return false
		case !moreA || !moreB: // a/# matches a as well
			return moreA == moreB || moreA && restA == "#" || moreB && restB == "#"
		}
		a, b = restA, restB
	}
}
