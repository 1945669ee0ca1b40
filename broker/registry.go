package broker

import (
	"iter"
	"maps"
	"slices"
	"sync"
)

// registry knows every client id that has a session on this node.
type registry struct {
	mu      sync.RWMutex
	clients map[string]*Client
}

func (r *registry) get(id string) *Client {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.clients[id]
}

// add enters c under its id; false: somebody else has it.
func (r *registry) add(c *Client) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.clients[c.info.ClientID] != nil {
		return false
	}
	r.clients[c.info.ClientID] = c
	return true
}

// remove takes c out; only who added it may.
func (r *registry) remove(c *Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clients, c.info.ClientID)
}

func (r *registry) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.clients)
}

func (r *registry) all() []*Client {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Collect(maps.Values(r.clients))
}

// Client finds a client by its id; nil: there is no session of that id.
func (br *Broker) Client(id string) *Client { return br.clients.get(id) }

// Clients are all clients, connected or not, as they were at the call.
func (br *Broker) Clients() iter.Seq[*Client] { return slices.Values(br.clients.all()) }
