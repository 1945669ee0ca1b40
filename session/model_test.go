package session

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// model is a client and the whole world around one session: it publishes,
// loses connections, answers late or out of order, and keeps the books. Its
// messages are numbered, and the payload of each is its number.
type model struct {
	t   *testing.T
	r   *rand.Rand
	cfg *Config
	s   *Session
	now int64

	matched   int
	delivered int
	drops     map[Drop]int
	fate      map[int]string // by message above QoS 0: "" unknown, delivered, dropped

	wire      []event        // what the client hasn't handled yet
	full      bool           //
	inWindow  map[uint16]int // PUBLISH sent on this connection and not acknowledged to the session
	window    int
	seen      map[string]int  // highest first delivery by topic and QoS
	arrived   map[int]int     // by message, how often QoS 0 and 1 came to the application
	completed map[int]int     // by message, how often QoS 2 came to the application
	exactly   map[uint16]bool // the client's own QoS 2 table: identifiers that wait for PUBREL
	owed      []event         // the client's answers on their way
}

type event struct {
	kind mqtt.Type
	id   uint16
	qos  mqtt.QoS
	n    int
}

func (m *model) Publish(d Delivery, id uint16, dup bool) bool {
	n := payloadNumber(d)
	if len(d.Msg.Payload) > 60 {
		return false
	}
	if (id == 0) != (d.QoS == 0) {
		m.t.Fatalf("message %d at QoS %d has packet identifier %d", n, d.QoS, id)
	}
	if !dup {
		m.delivered++
		key := fmt.Sprint(d.Msg.Topic, d.QoS)
		if n <= m.seen[key] {
			m.t.Fatalf("message %d of %s came after %d", n, key, m.seen[key])
		}
		m.seen[key] = n
		m.settle(n, d.QoS, "delivered")
	}
	if d.QoS > 0 {
		if _, used := m.inWindow[id]; used && !dup {
			m.t.Fatalf("packet identifier %d is used twice", id)
		}
		if m.inWindow[id] = n; len(m.inWindow) > m.window {
			m.t.Fatalf("%d packets in flight, the window is %d", len(m.inWindow), m.window)
		}
	}
	m.wire = append(m.wire, event{mqtt.TypePublish, id, d.QoS, n})
	return true
}

func (m *model) Ack(kind mqtt.Type, id uint16, code mqtt.ReasonCode) {
	if code == mqtt.Success {
		m.inWindow[id] = 0
	}
	m.wire = append(m.wire, event{kind: kind, id: id})
}

func (m *model) Full() bool { return m.full }

func (m *model) Dropped(d Delivery, why Drop) {
	m.drops[why]++
	m.settle(payloadNumber(d), d.QoS, "dropped")
}

// settle notes the one fate that a message above QoS 0 may have.
func (m *model) settle(n int, qos mqtt.QoS, fate string) {
	if qos == 0 {
		return
	}
	if m.fate[n] != "" {
		m.t.Fatalf("message %d is %s and was %s", n, fate, m.fate[n])
	}
	m.fate[n] = fate
}

func payloadNumber(d Delivery) (n int) {
	fmt.Sscanf(string(d.Msg.Payload), "%d", &n)
	return n
}

func (m *model) publish() {
	m.matched++
	d := Delivery{
		Msg: &mqtt.Message{Topic: string(rune('a' + m.r.IntN(3))), Payload: fmt.Append(nil, m.matched, " ")},
		QoS: mqtt.QoS(m.r.IntN(3)),
	}
	switch m.r.IntN(20) {
	case 0:
		d.Msg.ExpiresAt = m.now + int64(m.r.IntN(20_000))
	case 1:
		d.Msg.Payload = append(d.Msg.Payload, strings.Repeat(".", 60)...)
	}
	if d.QoS > 0 {
		m.fate[m.matched] = ""
	}
	m.s.Deliver(d, m, m.now)
}

// clientReads handles the oldest packet on the wire as a client must.
func (m *model) clientReads() {
	if len(m.wire) == 0 {
		return
	}
	e := m.wire[0]
	m.wire = m.wire[1:]
	switch {
	case e.kind == mqtt.TypePubrel:
		delete(m.exactly, e.id)
		m.owed = append(m.owed, event{kind: mqtt.TypePubcomp, id: e.id})
	case e.qos == 2:
		if !m.exactly[e.id] {
			m.exactly[e.id] = true
			m.completed[e.n]++
		}
		m.owed = append(m.owed, event{kind: mqtt.TypePubrec, id: e.id})
	case e.qos == 1:
		m.arrived[e.n]++
		m.owed = append(m.owed, event{kind: mqtt.TypePuback, id: e.id})
	default:
		m.arrived[e.n]++
	}
}

// serverReads lets one of the client's answers arrive, mostly the oldest.
func (m *model) serverReads() {
	if len(m.owed) == 0 {
		return
	}
	i := 0
	if m.r.IntN(4) == 0 {
		i = m.r.IntN(len(m.owed))
	}
	e := m.owed[i]
	m.owed = append(m.owed[:i], m.owed[i+1:]...)
	ends := e.kind != mqtt.TypePubrec
	if ends {
		delete(m.inWindow, e.id) // before the session fills the room
	}
	switch e.kind {
	case mqtt.TypePuback:
		m.s.Puback(e.id, 0, m, m.now) // an error is right for a repeated one
	case mqtt.TypePubrec:
		m.s.Pubrec(e.id, 0, m, m.now)
	case mqtt.TypePubcomp:
		m.s.Pubcomp(e.id, 0, m, m.now)
	}
}

func (m *model) connect() {
	m.window = 1 + m.r.IntN(8)
	clear(m.inWindow)
	m.wire, m.owed, m.full = nil, nil, false
	m.s.Connected(uint16(m.window), m, m.now)
}

// restart loses the process: the session comes back from its saved state.
func (m *model) restart() {
	s, err := Restore(m.cfg, viaJSON(m.t, m.s.State()))
	if err != nil {
		m.t.Fatal(err)
	}
	s.Disconnected(m.now)
	m.s = s
}

func (m *model) step() {
	switch m.r.IntN(16) {
	case 0, 1, 2, 3:
		m.publish()
	case 4, 5, 6, 7:
		m.clientReads()
	case 8, 9, 10, 11:
		m.serverReads()
	case 12:
		m.now += int64(m.r.IntN(2000))
		m.s.Tick(m, m.now)
	case 13:
		if m.full = !m.full; !m.full {
			m.s.Drain(m, m.now)
		}
	case 14:
		if m.r.IntN(8) == 0 {
			m.s.Disconnected(m.now)
			m.wire, m.owed = nil, nil
			if m.r.IntN(4) == 0 {
				m.restart()
			}
		}
	case 15:
		if !m.s.Online() || m.r.IntN(30) == 0 {
			m.connect()
		}
	}
}

// balance checks the equation of the books.
func (m *model) balance() {
	m.t.Helper()
	dropped := 0
	for _, n := range m.drops {
		dropped += n
	}
	if m.matched != m.delivered+m.s.Queued()+dropped {
		m.t.Fatalf("%d matched, but %d delivered + %d queued + %v dropped", m.matched, m.delivered, m.s.Queued(), m.drops)
	}
	tally := m.s.Tally()
	if tally.Delivered != uint64(m.delivered) {
		m.t.Fatalf("the session counts %d delivered, want %d", tally.Delivered, m.delivered)
	}
	for why, n := range tally.Dropped {
		if n != uint64(m.drops[Drop(why)]) {
			m.t.Fatalf("the session counts %v dropped, want %v", tally.Dropped, m.drops)
		}
	}
}

// settleAll lets the client catch up on a good connection.
func (m *model) settleAll() {
	m.connect()
	for range 100_000 {
		m.clientReads()
		m.serverReads()
		m.balance()
		if m.s.Inflight()+m.s.Queued()+len(m.wire)+len(m.owed) == 0 {
			return
		}
	}
	m.t.Fatalf("%d in flight and %d queued don't go out", m.s.Inflight(), m.s.Queued())
}

func (m *model) checkFates() {
	for n, fate := range m.fate {
		if fate == "" {
			m.t.Fatalf("message %d is lost", n)
		}
		if got := m.arrived[n] + m.completed[n]; fate == "delivered" && got == 0 {
			m.t.Fatalf("message %d was sent and never arrived", n)
		} else if fate == "dropped" && got > 0 {
			m.t.Fatalf("message %d was dropped and arrived", n)
		}
	}
	for n, times := range m.completed {
		if times != 1 {
			m.t.Fatalf("message %d of QoS 2 arrived %d times", n, times)
		}
	}
}

func TestModel(t *testing.T) {
	for _, cfg := range []Config{
		{MaxInflight: 4, MaxMqueueLen: 10, RetryInterval: 3 * time.Second},
		{MaxInflight: 32, MaxMqueueLen: 50, MqueueStoreQoS0: true},
		{MaxMqueueBytes: 30, RetryInterval: time.Second, MqueuePriorities: map[string]int{"a": 2}, MqueueDefaultPriority: "lowest"},
		{},
	} {
		r := newRand(t)
		for range 30 {
			m := &model{
				t: t, r: r, cfg: &cfg, s: New(&cfg, epoch), now: epoch, drops: map[Drop]int{}, fate: map[int]string{},
				inWindow: map[uint16]int{}, seen: map[string]int{}, arrived: map[int]int{}, completed: map[int]int{},
				exactly: map[uint16]bool{},
			}
			for range 2000 {
				m.step()
				m.balance()
			}
			m.settleAll()
			m.checkFates()
		}
	}
}
