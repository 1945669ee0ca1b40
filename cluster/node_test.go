package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// mesh is a network of goroutines: one for each sender, receiver and kind, in
// which a message takes a millisecond.
type mesh struct {
	uneven atomic.Int64 // a message takes up to so much more, a time.Duration

	mu    sync.Mutex
	nodes map[string]*Node
	wires map[wire]chan []byte
	done  sync.WaitGroup
}

type meshEnd struct {
	*mesh
	self string
}

// Send is Network's.
func (e meshEnd) Send(node, kind string, data []byte) error {
	m := e.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.nodes[node] == nil || m.nodes[e.self] == nil {
		return errors.New("not connected")
	}
	w := wire{e.self, node, kind}
	if m.wires[w] == nil {
		messages := make(chan []byte, 1000)
		m.wires[w] = messages
		m.done.Go(func() { m.carry(w, messages) })
	}
	m.wires[w] <- slices.Clone(data)
	return nil
}

func (m *mesh) carry(w wire, messages chan []byte) {
	for data := range messages {
		time.Sleep(time.Millisecond + time.Duration(rand.Int64N(m.uneven.Load()+1)))
		m.mu.Lock()
		to := m.nodes[w.to]
		m.mu.Unlock()
		if to != nil {
			to.Receive(w.from, w.kind, data)
		}
	}
}

// remove takes a node off the network.
func (m *mesh) remove(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.nodes, id)
}

func (m *mesh) close() {
	m.mu.Lock()
	for _, w := range m.wires {
		close(w)
	}
	m.mu.Unlock()
	m.done.Wait()
}

// memory is a broker that remembers what it got.
type memory struct {
	mu       sync.Mutex
	got      []string
	members  int
	sessions map[string]string
}

func (r *memory) End() {}

func (r *memory) Deliver(m *mqtt.Message) { r.note("plain " + string(m.Payload)) }

func (r *memory) Dispatch(m *mqtt.Message, _, group string, done func(bool)) bool {
	if r.members == 0 {
		return false
	}
	r.note(group + " " + string(m.Payload))
	done(true)
	return true
}

func (r *memory) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, what)
}

func (r *memory) count(what string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, got := range r.got {
		if got == what {
			n++
		}
	}
	return n
}

func (r *memory) Has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sessions[id] != ""
}

func (r *memory) Take(id string, clean bool) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := r.sessions[id]
	delete(r.sessions, id)
	if clean || state == "" {
		return nil, false
	}
	return []byte(state), false
}

func (r *memory) Adopt(id string, state []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[id] = string(state)
	return nil
}

func (r *memory) Each(func(string, int64)) {}

// TestNode has three nodes with all their goroutines work together: routes,
// messages, groups and client ids, and the death of one.
func TestNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &mesh{nodes: map[string]*Node{}, wires: map[wire]chan []byte{}}
		brokers := map[string]*memory{}
		ids := []string{"a", "b", "c"}
		start := func(id string) *Node {
			brokers[id] = &memory{sessions: map[string]string{}}
			return NewNode(NodeOptions{
				Self: id, Network: meshEnd{net, id}, Receiver: func() Receiver { return brokers[id] }, Sessions: brokers[id], Log: quiet,
				Strategy: func(string) broker.Strategy { return broker.RoundRobin },
				Now:      func() int64 { return time.Now().UnixMilli() },
			})
		}
		for _, id := range ids {
			net.nodes[id] = start(id)
			time.Sleep(time.Second)
		}
		nodes := map[string]*Node{"a": net.nodes["a"], "b": net.nodes["b"], "c": net.nodes["c"]}
		for id, n := range nodes {
			for other, o := range nodes {
				if id != other {
					n.Up(other, o.Start())
				}
			}
		}
		for _, id := range ids {
			nodes[id].Routes.Added("t/+", false)
		}
		for _, id := range ids[1:] {
			brokers[id].members = 1
			nodes[id].Routes.Group("g", "group", 1, 1)
		}
		time.Sleep(3 * time.Second)

		a, box := nodes["a"], nodes["a"].Forward.NewOutbox()
		publish := func(topic string, n int) {
			m := &mqtt.Message{Topic: topic, From: "p", QoS: 1, Payload: fmt.Append(nil, n)}
			var to Matches
			a.Routes.Table().Match(topic, &to)
			box.Add(to.Plain, m)
			for _, g := range to.Groups {
				a.Groups.Forward(box, m, g)
			}
			box.Flush()
		}
		for n := range 100 {
			publish("t/x", n)
			publish("g", n)
		}
		time.Sleep(time.Second)
		for n := range 100 {
			plain, group := fmt.Sprint("plain ", n), fmt.Sprint("group ", n)
			if b, c := brokers["b"].count(plain), brokers["c"].count(plain); b != 1 || c != 1 {
				t.Errorf("message %d came to b %d times, to c %d times", n, b, c)
			}
			if total := brokers["b"].count(group) + brokers["c"].count(group); total != 1 {
				t.Errorf("message %d came to %d members of the group", n, total)
			}
		}
		if len(brokers["a"].got) > 0 {
			t.Errorf("the publisher's node got %v", brokers["a"].got)
		}
		last := -1
		for _, got := range brokers["b"].got {
			if text, plain := strings.CutPrefix(got, "plain "); plain {
				if n, err := strconv.Atoi(text); err != nil || n != last+1 {
					t.Errorf("b got %q after %d", got, last)
				}
				last++
			}
		}

		brokers["b"].sessions["client"] = "state"
		granted := make(chan bool, 1)
		if a.Claims.Claim("client", false, a.now(), func(outbid bool) { granted <- outbid }) != broker.ClaimAsked {
			t.Error("nobody was asked")
		}
		if <-granted || !brokers["a"].Has("client") || brokers["b"].Has("client") {
			t.Error("the session is not where it was claimed")
		}
		a.Claims.Opened("client", a.now())

		net.remove("b")
		nodes["b"].Close()
		publish("g", 1000) // b or c
		publish("g", 1000)
		nodes["c"].Down("b")
		a.Down("b")
		time.Sleep(time.Second)
		if n := brokers["c"].count("group 1000"); n != 2 {
			t.Errorf("c got %d of two messages for its group", n)
		}
		a.Forget("b")
		nodes["c"].Forget("b")
		net.remove("a")
		net.remove("c")
		nodes["a"].Close()
		nodes["c"].Close()
		net.close()
	})
}
