package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// sender is a durable client that publishes at QoS 2 and has its packets
// handled as a connection does.
type sender struct {
	*peer
	conn *promises
}

func (r *rig) sender() *sender {
	conn := &promises{fakeConn: new(fakeConn)}
	return &sender{r.connect("pub", durably, func(o *Opening) { o.Conn = conn }), conn}
}

// sends sends a PUBLISH. It returns what became of it at first: new, waits for
// the first copy, or known, which is answered.
func (s *sender) sends(id uint16, name, payload string) string {
	s.Helper()
	defer s.batch.End()
	dup, err := s.client.Received(s.batch, s.conn, id)
	switch is := s.client.Appending(id); {
	case dup && is:
		s.conn.Promise(2, id, 0)
		return "waits"
	case dup:
		s.conn.Keep(s.batch, 2, id, mqtt.Success)
		return "known"
	case err != nil:
		s.Fatal(err)
	}
	m := &mqtt.Message{Topic: name, Payload: []byte(payload), QoS: 2, From: "pub"}
	code, _, pending := s.PublishFrom(s.batch, s.info, m, Origin{Client: s.client, Conn: s.conn, ID: id})
	if !pending {
		s.conn.Keep(s.batch, 2, id, code)
	}
	return "new"
}

func (s *sender) is(what, want string) {
	s.Helper()
	if what != want {
		s.Errorf("got %q, want %q", what, want)
	}
}

// heard is what the connection was told since.
func (s *sender) heard() string {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	all := append(s.conn.kept, s.conn.acks...)
	s.conn.kept, s.conn.acks = nil, nil
	return strings.Join(all, ", ")
}

// topicOf is one that belongs to a shard.
func (l *fakeLog) topicOf(shard int) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint("t", i); l.Shard(name) == shard {
			return name
		}
	}
}

// holdShard keeps the answers of one shard back; maps answer with the first.
func (l *fakeLog) holdShard(i int) (goOn func()) {
	s := l.shards[i]
	held := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	return func() {
		s.mu.Lock()
		s.held = nil
		s.mu.Unlock()
		close(held)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 10_000 {
		if is() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// newFlowRig has a durable subscriber, a sender, and a topic of the second
// shard, so that the maps, which answer with the first, can be held for
// themselves.
func newFlowRig(t *testing.T) (r *rig, log *fakeLog, s *sender, name string) {
	r, log = newDurableRig(t, 2)
	r.connect("c", durably).subscribe("#", 2)
	s = r.sender()
	r.quiet()
	return r, log, s, log.topicOf(1)
}

func (r *rig) got() string {
	return strings.Join(r.connect("c", durably).ackAll(), " ")
}

func TestCrashBeforeAppend(t *testing.T) {
	r, log, s, name := newFlowRig(t)
	goOn := log.holdShard(0)
	defer goOn()
	s.is(s.sends(7, name, "m"), "new")
	s.is(s.sends(7, name, "m"), "waits")
	if log.len() != 0 {
		t.Error("the message is appended before its identifier is saved")
	}
	r, _ = r.crashed()
	s = r.sender()
	s.is(s.sends(7, name, "m"), "new")
	r.quiet()
	s.is(s.heard(), "2 7 success")
	s.is(r.got(), "m")
}

func TestCrashAfterAppend(t *testing.T) {
	r, log, s, name := newFlowRig(t)
	goOn := log.holdShard(1)
	defer goOn()
	s.is(s.sends(7, name, "m"), "new")
	eventually(t, "the log has the message", func() bool { return log.len() == 1 })
	s.is(s.heard(), "")
	r, log = r.crashed()
	s = r.sender()
	s.is(s.sends(7, name, "m"), "known")
	s.is(r.got(), "m")
	s.is(s.sends(8, name, "n"), "new")
	r.quiet()
	if r, _ = r.crashed(); log.len() != 2 {
		t.Errorf("the log has %d messages, want 2", log.len())
	}
	s = r.sender()
	s.is(s.sends(8, name, "n"), "known")
}

// PUBCOMP waits until the record is without the identifier; the client may use
// it again then, and its next message is a new one whatever happens.
func TestReleasedAfterSave(t *testing.T) {
	r, log, s, name := newFlowRig(t)
	s.sends(7, name, "m")
	r.quiet()
	goOn := log.holdShard(0)
	waited, later := s.client.Released(s.batch, s.conn, 7)
	if !waited || !later {
		t.Errorf("PUBREL is answered at once: %v %v", waited, later)
	}
	s.is(s.heard(), "2 7 success")
	goOn()
	r.quiet()
	s.is(s.heard(), "PUBCOMP 7 success")
	r, _ = r.crashed()
	s = r.sender()
	s.is(s.sends(7, name, "n"), "new")
	r.quiet()
	s.is(r.got(), "m n")
}

func TestRefusedAfterSave(t *testing.T) {
	r, log, s, name := newFlowRig(t)
	fail := func(shard int, err error) {
		log.shards[shard].mu.Lock()
		defer log.shards[shard].mu.Unlock()
		log.shards[shard].fail = err
	}
	fail(1, errFake)
	s.sends(7, name, "m")
	r.quiet()
	s.is(s.heard(), "2 7 quota_exceeded")
	fail(1, nil)
	s.is(s.sends(7, name, "n"), "new")
	r.quiet()
	s.is(s.heard(), "2 7 success")

	fail(0, errFake) // the identifier itself can't be saved
	s.is(s.sends(8, name, "o"), "new")
	eventually(t, "the client hears of it", func() bool { return slices.Equal(s.conn.settled(), []string{"2 8 quota_exceeded"}) })
	fail(0, nil)
	s.is(s.sends(8, name, "p"), "new")
	r.quiet()
	s.is(r.got(), "n p")
	r.balances()
}

func TestEndedWhileSaving(t *testing.T) {
	r, log, s, name := newFlowRig(t)
	goOn := log.holdShard(0)
	s.sends(7, name, "m")
	r.Kick(r.batch, "pub")
	goOn()
	s.is(r.got(), "m")
	r.balances()
}

// outgoing is a message that a client is sending, in whatever process.
type outgoing struct {
	id       uint16
	payload  string
	released bool
}

// TestFlowsSurviveCrashes has a client send messages through processes that end
// at any moment. Each comes into the log once.
func TestFlowsSurviveCrashes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	r, log := newDurableRig(t, 2)
	log.late = true
	r.connect("c", durably).subscribe("#", 2)
	r.quiet() // the subscription is kept
	s := r.sender()
	names := []string{log.topicOf(0), log.topicOf(1)}
	var sending []*outgoing
	made, lives := 0, 0
	heard := func() {
		for _, what := range strings.Split(s.heard(), ", ") {
			var id uint16
			if n, _ := fmt.Sscanf(what, "2 %d success", &id); n == 0 {
				fmt.Sscanf(what, "PUBCOMP %d success", &id)
			}
			i := slices.IndexFunc(sending, func(o *outgoing) bool { return o.id == id })
			switch {
			case i < 0:
			case strings.HasPrefix(what, "PUBCOMP") && sending[i].released:
				sending = slices.Delete(sending, i, i+1)
			case strings.HasPrefix(what, "2"):
				sending[i].released = true
				s.release(id)
			}
		}
	}
	for lives < 50 {
		switch rnd.IntN(60) {
		case 0:
			r, log = r.crashed()
			lives++
			s = r.sender()
			for _, o := range sending {
				if o.released {
					s.release(o.id)
				} else {
					s.sends(o.id, names[len(o.payload)%2], o.payload)
				}
			}
		case 1, 2, 3, 4, 5, 6, 7, 8:
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Microsecond)
		default:
			heard()
			id := uint16(1)
			for slices.ContainsFunc(sending, func(o *outgoing) bool { return o.id == id }) {
				id++
			}
			if id > 4 {
				continue
			}
			made++
			o := &outgoing{id: id, payload: fmt.Sprint(made)}
			sending = append(sending, o)
			s.sends(id, names[len(o.payload)%2], o.payload)
		}
	}
	for range 10_000 {
		if heard(); len(sending) == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	r.quiet()
	times := map[string]int{}
	for _, shard := range log.shards {
		for _, e := range shard.entries {
			m, err := durable.ParseMessage(mqtt.At{}, e.Topic, e.Record)
			if err != nil {
				t.Fatal(err)
			}
			times[string(m.Payload)]++
		}
	}
	for n := range made {
		if payload := fmt.Sprint(n + 1); times[payload] != 1 {
			t.Errorf("message %s of %d is in the log %d times", payload, made, times[payload])
		}
	}
	if len(sending) > 0 {
		t.Errorf("%d messages never come to their end", len(sending))
	}
	t.Logf("%d messages in %d lives", made, lives)
}

// release sends PUBREL, and hears PUBCOMP at once if it doesn't wait.
func (s *sender) release(id uint16) {
	defer s.batch.End()
	if _, later := s.client.Released(s.batch, s.conn, id); !later {
		s.conn.SendAck(s.batch, mqtt.TypePubcomp, id, mqtt.Success)
	}
}
