package clienttest

import (
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// timeout is how long clients of the broker wait for a backend that fails.
const timeout = 2 * time.Second

func (b *backend) impatient() string { return "auth." + b.provider + ".timeout=" + timeout.String() }

// outlives: while the server fails, all are told so in time, and those who need
// it not notice nothing; when it is back, so is everybody, by itself.
func (s *scene) outlives(t *testing.T, fail, back func()) {
	s.returns(t)
	publisher, exact, subscriber := s.as(t, mqtt.V5, "ann"), s.as(t, mqtt.V5, "ann"), s.as(t, mqtt.V5, "ann")
	oldPublisher, oldSubscriber := s.as(t, mqtt.V311, "ann"), s.as(t, mqtt.V311, "ann")
	beside := s.sees(t, "beside")

	back = sync.OnceFunc(back)
	defer back()
	fail()
	began := time.Now()
	var fresh []*wire // more than it takes to give the server up
	for i := range 10 {
		fresh = append(fresh, s.knocks(t, []listener{closed, ajar}[i%2], versions[i/2%2]))
	}
	publish := &mqtt.Publish{QoS: 1, PacketID: 1, Topic: "pub/unjudged"}
	subscribe := &mqtt.Subscribe{PacketID: 2, Filters: []mqtt.SubscribeFilter{{Filter: "sub/unjudged"}}}
	publisher.send(t, publish)
	exact.send(t, &mqtt.Publish{QoS: 2, PacketID: 3, Topic: "pub/unjudged"})
	subscriber.send(t, subscribe)
	oldPublisher.send(t, publish)
	oldSubscriber.send(t, subscribe)

	beside.send(t, &mqtt.Publish{Topic: "beside", Payload: []byte("alive")})
	beside.expectMessage(t, "beside", "alive")
	connect(t, s.addr[internal], s.fresh())
	if took := time.Since(began); took > timeout/2 {
		t.Errorf("clients who need nobody waited %v", took)
	}

	for _, w := range fresh {
		if k := expect[*mqtt.Connack](t, w); k.Code != mqtt.ServerUnavailable {
			t.Errorf("CONNECT, version %d, was answered with %v", w.stream.Version, k.Code)
		}
	}
	if k := expect[*mqtt.Ack](t, publisher); k.Kind != mqtt.TypePuback || k.Code != mqtt.QuotaExceeded {
		t.Errorf("PUBLISH was answered with %v", k)
	}
	if k := expect[*mqtt.Ack](t, exact); k.Kind != mqtt.TypePubrec || k.Code != mqtt.QuotaExceeded {
		t.Errorf("PUBLISH at QoS 2 was answered with %v", k)
	}
	if k := expect[*mqtt.Suback](t, subscriber); k.Codes[0] != mqtt.QuotaExceeded {
		t.Errorf("SUBSCRIBE was answered with %v", k)
	}
	expectEnd(t, oldPublisher)
	if k := expect[*mqtt.Suback](t, oldSubscriber); k.Codes[0] != mqtt.UnspecifiedError {
		t.Errorf("SUBSCRIBE of version 3 was answered with %v", k)
	}
	if took := time.Since(began); took > timeout+2*time.Second {
		t.Errorf("who needs it was told after %v, expected %v at most", took, timeout)
	}
	eventually(t, "the log says that it fails", func() bool { return len(s.complaints()) > 0 })

	back()
	s.returns(t)
	eventually(t, "who stayed can publish", func() bool { return publisher.put(t, 1, "pub/"+s.fresh(), "") == mqtt.Success })
	if got := subscriber.asks(t, "sub/judged"); got[0].Failed() {
		t.Errorf("who stayed can't subscribe: %v", got)
	}
}

// succeeds: when one server takes the place of another, everybody is back
// without a hand being moved.
func (s *scene) succeeds(t *testing.T) {
	s.returns(t)
	stays := s.as(t, mqtt.V5, "ann")
	s.orphan(t)
	s.returns(t)
	eventually(t, "who stayed can publish", func() bool { return stays.put(t, 1, "pub/"+s.fresh(), "") == mqtt.Success })
}

// returns waits until somebody can connect, publish and subscribe.
func (s *scene) returns(t testing.TB) {
	t.Helper()
	eventually(t, "clients get in", func() bool {
		w, code := s.try(t, closed, mqtt.V5, login("ann", s.password("ann")))
		return code == mqtt.Success && w.put(t, 1, "pub/1", "") == mqtt.Success && !w.asks(t, "sub/1")[0].Failed()
	})
}

// misconfigured: nobody gets in, and the first who is refused has the log say
// why, in one line.
func (b *backend) misconfigured(t *testing.T, wrong []string, why string) {
	s := b.broker(t, append(wrong, b.impatient())...)
	expectRefused := func(w *wire) {
		t.Helper()
		if k := expect[*mqtt.Connack](t, w); k.Code != mqtt.ServerUnavailable {
			t.Errorf("CONNECT, version %d, was answered with %v", w.stream.Version, k.Code)
		}
	}
	expectRefused(s.knocks(t, closed, mqtt.V5))
	eventually(t, "the log says why", func() bool { return len(s.complaints()) > 0 })
	if lines := s.complaints(); len(lines) != 1 || !regexp.MustCompile(why).MatchString(lines[0]) {
		t.Errorf("one refusal and %d lines, expected one with %s: %q", len(lines), why, lines)
	}
	var others []*wire
	for i := range 10 {
		others = append(others, s.knocks(t, closed, versions[i%2]))
	}
	for _, w := range others {
		expectRefused(w)
	}
	if lines := s.complaints(); len(lines) > 2 { // the other one says that it is given up
		t.Errorf("%d refusals and %d lines: %q", 1+len(others), len(lines), lines)
	}
}

// knocks is ann, who doesn't wait for the answer to her CONNECT.
func (s *scene) knocks(t testing.TB, at listener, v mqtt.Version) *wire {
	t.Helper()
	w := open(t, s.addr[at])
	k := &mqtt.Connect{Version: v, CleanStart: true, ClientID: s.fresh()}
	login("ann", s.password("ann"))(k)
	w.stream.Version = v
	w.send(t, k)
	return w
}
