package session

import (
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestQoS0(t *testing.T) {
	play(t, Config{}, `
		q0 a           > -a:qos0_msg
		connect
		q0 b           > b
		q0 c retain    > c(retain)
		full
		q0 d           > -d:qos0_msg
		room
		limit e
		q0 e           > -e:too_large
		q0 f exp=0s    > -f:expired
		disconnect
		q0 g           > -g:qos0_msg
		counts         > queued=0/0 inflight=0 awaiting=0 dropped=5
		next           > never
	`)
	play(t, Config{MqueueStoreQoS0: true}, `
		q0 a           > queued
		q0 b           > queued
		connect        > a b
		full
		q0 c           > queued
		counts         > queued=1/1 inflight=0 awaiting=0 dropped=0
		room           > c
		q0 d           > d
	`)
}

func TestQoS1(t *testing.T) {
	play(t, Config{MaxInflight: 2}, `
		connect
		q1 a           > a#1
		q1 b           > b#2
		q1 c           > queued
		q1 d           > queued
		counts         > queued=2/2 inflight=2 awaiting=0 dropped=0
		puback 1       > c#3 ok:a
		puback 1       > packet_identifier_not_found
		puback 0       > packet_identifier_not_found
		puback 9       > packet_identifier_not_found
		pubrec 2       > packet_identifier_inuse
		pubcomp 2      > packet_identifier_inuse
		puback 3       > d#4 ok:c
		puback 2 fail  > ok:b
		puback 4       > ok:d
		counts         > queued=0/0 inflight=0 awaiting=0 dropped=0
	`)
}

func TestQoS2(t *testing.T) {
	play(t, Config{MaxInflight: 1}, `
		connect
		q2 a           > a#1
		q2 b           > queued
		q1 c           > queued
		puback 1       > packet_identifier_inuse
		pubcomp 1      > packet_identifier_inuse
		pubrec 7       > rel#7? packet_identifier_not_found
		pubrec 1       > rel#1 ok:a
		pubrec 1       > rel#1 packet_identifier_inuse
		pubcomp 1      > b#2
		pubcomp 1      > packet_identifier_not_found
		pubrec 2 fail  > c#3 ok:b
		puback 3       > ok:c
	`)
}

func TestWindowIsTheSmallerBound(t *testing.T) {
	three := `
		q1 a           > a#1
		q1 b           > b#2
		q1 c           > queued
	`
	play(t, Config{MaxInflight: 2}, "connect\n"+three)
	play(t, Config{MaxInflight: 2}, "connect 10\n"+three)
	play(t, Config{MaxInflight: 9}, "connect 2\n"+three)
	play(t, Config{}, "connect 2\n"+three)

	is := func(maxInflight int, receiveMax, want uint16) {
		t.Helper()
		if got := window(maxInflight, receiveMax); got != want {
			t.Errorf("window(%d, %d) = %d, want %d", maxInflight, receiveMax, got, want)
		}
	}
	is(0, 0, 65535)
	is(32, 0, 32)
	is(32, 65535, 32)
	is(32, 1, 1)
	is(1<<20, 0, 65535)
	is(-1, 7, 7)
}

func TestResume(t *testing.T) {
	play(t, Config{}, `
		connect
		q1 a           > a#1
		q2 b           > b#2
		q2 c           > c#3
		q1 d           > d#4
		pubrec 2       > rel#2 ok:b
		puback 4       > ok:d
		disconnect
		q1 e           > queued
		q0 f           > -f:qos0_msg
		connect        > a#1! rel#2 c#3! e#5
		puback 1       > ok:a
		pubcomp 2
		pubrec 3       > rel#3 ok:c
		pubcomp 3
		puback 5       > ok:e
		counts         > queued=0/0 inflight=0 awaiting=0 dropped=1
	`)
}

func TestResumeWithASmallerWindow(t *testing.T) {
	play(t, Config{}, `
		connect
		q1 a           > a#1
		q1 b           > b#2
		q1 c           > c#3
		q2 d           > d#4
		disconnect
		connect 2      > a#1! b#2!
		q1 e           > queued
		puback 3       > ok:c
		puback 1       > d#4! ok:a
		puback 2       > e#5 ok:b
		pubrec 4       > rel#4 ok:d
		disconnect
		connect 1      > rel#4
		connect 1      > rel#4
		q1 f           > queued
		pubcomp 4      > e#5!
		puback 5       > f#6 ok:e
	`)
	// The head of what isn't repeated yet is acknowledged: nothing is left over.
	play(t, Config{}, `
		connect
		q1 a           > a#1
		q1 b           > b#2
		connect 1      > a#1!
		puback 2       > ok:b
		puback 1       > ok:a
		q1 c           > c#3
	`)
}

func TestResumeWithCongestedOutput(t *testing.T) {
	play(t, Config{}, `
		connect
		q1 a           > a#1
		q1 b           > b#2
		disconnect
		full
		connect
		q1 c           > queued
		puback 1       > ok:a
		room           > b#2! c#3
	`)
}

func TestResumeCompletesWhatHasBecomeTooLarge(t *testing.T) {
	play(t, Config{}, `
		connect
		q1 a           > a#1
		q2 b           > b#2
		q1 c           > c#3
		disconnect
		limit b
		connect        > a#1! c#3!
		counts         > queued=0/0 inflight=2 awaiting=0 dropped=0
	`)
}

func TestQueuedTooLarge(t *testing.T) {
	play(t, Config{}, `
		q1 a           > queued
		q2 b           > queued
		q1 c           > queued
		limit b
		connect        > a#1 -b:too_large c#2
		limit d
		q1 d           > -d:too_large
		q1 e           > e#3
		counts         > queued=0/0 inflight=3 awaiting=0 dropped=2
	`)
}

func TestQueueDropsTheOldest(t *testing.T) {
	play(t, Config{MaxMqueueLen: 2}, `
		q1 a           > queued
		q2 b           > queued
		q1 c           > -a:queue_full queued
		q1 d exp=1s    > -b:queue_full queued
		wait 1s
		q1 e           > -c:queue_full queued
		q1 f           > -d:expired queued
		connect        > e#1 f#2
	`)
	play(t, Config{MaxMqueueBytes: 5}, `
		q1 a..         > queued
		q1 b.          > queued
		q1 c.          > -a..:queue_full queued
		counts         > queued=2/4 inflight=0 awaiting=0 dropped=1
		q1 d.....      > -d.....:queue_full
		q1 e....       > -b.:queue_full -c.:queue_full queued
		connect        > e....#1
		counts         > queued=0/0 inflight=1 awaiting=0 dropped=4
	`)
}

func TestPriorities(t *testing.T) {
	table := map[string]int{"high": 2, "low": 1}
	play(t, Config{MqueuePriorities: table, MqueueDefaultPriority: "lowest"}, `
		q1 x           > queued
		q1 l topic=low > queued
		q1 h topic=high > queued
		q1 y           > queued
		connect        > h#1 l#2 x#3 y#4
	`)
	play(t, Config{MqueuePriorities: table, MqueueDefaultPriority: "highest"}, `
		q1 l topic=low > queued
		q1 h topic=high > queued
		q1 x           > queued
		connect        > x#1 h#2 l#3
	`)
	// Each level has its own bound, and bytes cost the lower levels first, never the higher ones.
	play(t, Config{MqueuePriorities: table, MqueueDefaultPriority: "lowest", MaxMqueueLen: 1}, `
		q1 l topic=low > queued
		q1 h topic=high > queued
		q1 m topic=low > -l:queue_full queued
		connect        > h#1 m#2
	`)
	play(t, Config{MqueuePriorities: table, MqueueDefaultPriority: "lowest", MaxMqueueBytes: 4}, `
		q1 h. topic=high > queued
		q1 x           > queued
		q1 l topic=low > queued
		q1 m. topic=low > -x:queue_full -l:queue_full queued
		q1 y           > -y:queue_full
		q1 n... topic=low > -n...:queue_full
		connect        > h.#1 m.#2
	`)
}

func TestPrioritiesOutOfRange(t *testing.T) {
	play(t, Config{MqueuePriorities: map[string]int{"low": -7, "high": 1000}}, `
		q1 l topic=low > queued
		q1 h topic=high > queued
		q1 x           > queued
		connect        > x#1 h#2 l#3
	`)
}

func TestLowerPrioritiesGetTheirTurn(t *testing.T) {
	// 11 of priority 1, then 1 of priority 0, as EMQ X 4.3 counts.
	play(t, Config{MqueuePriorities: map[string]int{"p": 1}, MqueueDefaultPriority: "lowest", MaxInflight: 1}, `
		q1 x           > queued
		q1 y           > queued
		q1 a topic=p   > queued
		q1 b topic=p   > queued
		q1 c topic=p   > queued
		q1 d topic=p   > queued
		q1 e topic=p   > queued
		q1 f topic=p   > queued
		q1 g topic=p   > queued
		q1 h topic=p   > queued
		q1 i topic=p   > queued
		q1 j topic=p   > queued
		q1 k topic=p   > queued
		q1 l topic=p   > queued
		q1 m topic=p   > queued
		connect 50     > a#1
		puback 1       > b#2 ok:a
		disconnect
		wait 1s
		connect        > b#2!
	`)
	play(t, Config{MqueuePriorities: map[string]int{"p": 1}, MqueueDefaultPriority: "lowest"}, `
		q0 z           > -z:qos0_msg
		q1 x           > queued
		q1 y           > queued
		q1 a topic=p   > queued
		q1 b topic=p   > queued
		q1 c topic=p   > queued
		q1 d topic=p   > queued
		q1 e topic=p   > queued
		q1 f topic=p   > queued
		q1 g topic=p   > queued
		q1 h topic=p   > queued
		q1 i topic=p   > queued
		q1 j topic=p   > queued
		q1 k topic=p   > queued
		q1 l topic=p   > queued
		connect        > a#1 b#2 c#3 d#4 e#5 f#6 g#7 h#8 i#9 j#10 k#11 x#12 l#13 y#14
	`)
}

func TestOrder(t *testing.T) {
	// Above QoS 0 everything queues behind the queue, QoS 0 only behind QoS 0.
	play(t, Config{MaxInflight: 1, MqueueStoreQoS0: true}, `
		connect
		q1 a           > a#1
		q1 b           > queued
		q0 c           > c
		full
		q0 d           > queued
		room
		q0 e           > queued
		puback 1       > b#2 d e ok:a
		q0 f           > f
	`)
	// Congested output holds QoS 1 back as well, and what follows stays behind it.
	play(t, Config{}, `
		connect
		full
		q1 a           > queued
		q1 b           > queued
		sent
		q1 c           > queued
		room           > a#1 b#2 c#3
	`)
	// So does what a new connection has to repeat first.
	play(t, Config{}, `
		connect
		q1 a           > a#1
		disconnect
		full
		connect
		sent
		q1 b           > queued
		room           > a#1! b#2
	`)
	// An acknowledgement doesn't make room in the output.
	play(t, Config{MaxInflight: 1}, `
		connect
		q1 a           > a#1
		q1 b           > queued
		full
		puback 1       > ok:a
		room           > b#2
	`)
}

func TestExpiry(t *testing.T) {
	play(t, Config{}, `
		q1 a exp=5s    > queued
		q1 b           > queued
		q1 c exp=9s    > queued
		wait 5s
		connect        > -a:expired b#1 c#2
		q1 d exp=0s    > -d:expired
		disconnect
		wait 1m
		connect        > b#1! c#2!
	`)
	// Tick reaps at the head of the queue.
	play(t, Config{}, `
		q1 a exp=5s    > queued
		q1 b exp=1s    > queued
		tick 2s
		tick 3s        > -a:expired -b:expired
		counts         > queued=0/0 inflight=0 awaiting=0 dropped=2
	`)
}

func TestRetry(t *testing.T) {
	play(t, Config{RetryInterval: 5 * time.Second}, `
		connect
		next           > never
		q1 a           > a#1
		next           > 5s
		wait 1s
		q2 b           > b#2
		q2 c           > c#3
		wait 1s
		pubrec 3       > rel#3 ok:c
		tick 3s        > a#1!
		next           > 1s
		puback 1       > ok:a
		tick 1s        > b#2!
		next           > 1s
		tick 1s        > rel#3
		next           > 4s
		full
		tick 5s
		next           > 5s
		room
		disconnect
		tick 1m
	`)
	play(t, Config{RetryInterval: 5 * time.Second}, `
		connect
		retry off
		q1 a           > a#1
		tick 20s
		retry on
		tick 1s        > a#1!
	`)
	play(t, Config{}, `
		connect
		q1 a           > a#1
		tick 1h
	`)
}

func TestAwaitingRel(t *testing.T) {
	play(t, Config{MaxAwaitingRel: 2, AwaitRelTimeout: 20 * time.Second}, `
		connect
		released 1     > unknown
		received 1
		received 1     > dup
		wait 1s
		received 2
		received 3     > receive_maximum_exceeded
		received 2     > dup packet_identifier_inuse
		disconnect
		connect
		received 1     > dup
		released 2
		released 2     > unknown
		received 3
		tick 19s
		counts         > queued=0/0 inflight=0 awaiting=1 dropped=0
		released 1     > unknown
		next           > 1s
		tick 1s
		released 3     > unknown
		tick
		next           > never
	`)
	play(t, Config{}, `
		connect
		received 1
		tick 24h
		released 1
	`)
}

func TestAwaitRelTimeoutsAreCounted(t *testing.T) {
	s := New(&Config{AwaitRelTimeout: time.Second}, 1)
	for id := range uint16(3) {
		if _, err := s.Received(id+1, int64(id)*500); err != nil {
			t.Fatal(err)
		}
	}
	s.Tick(&wire{}, 1500)
	if s.AwaitRelTimeouts() != 2 || s.AwaitingRel() != 1 {
		t.Errorf("%d forgotten and %d left, want 2 and 1", s.AwaitRelTimeouts(), s.AwaitingRel())
	}
}

func TestSurrender(t *testing.T) {
	play(t, Config{MaxInflight: 5}, `
		connect
		q1 a group=g   > a#1
		q2 b group=g   > b#2
		q1 c           > c#3
		q1 d group=h   > d#4
		q2 e group=g   > e#5
		q1 f           > queued
		q1 g group=g   > queued
		q2 h group=g   > queued
		pubrec 5       > rel#5 ok:e
		disconnect
		q1 i           > queued
		surrender none
		surrender h    > +d
		surrender g    > +a +g +h
		counts         > queued=2/2 inflight=3 awaiting=0 dropped=0
		surrender g
		connect        > b#2! c#3! rel#5 f#6 i#7
		puback 1       > packet_identifier_not_found
		puback 4       > packet_identifier_not_found
	`)
	play(t, Config{}, `
		connect
		q1 a group=g   > a#1
		q1 b group=g   > b#2
		q1 c           > c#3
		q1 d group=g   > d#4
		surrender g    > +a +b +d
		counts         > queued=0/0 inflight=1 awaiting=0 dropped=0
	`)
	play(t, Config{MqueueStoreQoS0: true}, `
		q0 a group=g   > queued
		surrender g    > +a
		connect
		q0 b           > b
	`)
}

func TestEnd(t *testing.T) {
	play(t, Config{MaxInflight: 1, MqueueStoreQoS0: true}, `
		connect
		q1 a           > a#1
		q2 b           > queued
		disconnect
		q0 c           > queued
		received 5
		end            > -b:session_ended -c:session_ended
		counts         > queued=0/0 inflight=0 awaiting=0 dropped=2
	`)
}

func TestRoom(t *testing.T) {
	play(t, Config{MaxInflight: 1}, `
		room?
		connect
		room?          > yes
		q1 a           > a#1
		room?
		q1 b           > queued
		puback 1       > b#2 ok:a
		room?
		puback 2       > ok:b
		room?          > yes
		disconnect
		room?
	`)
}

// TestStuckIdentifier acknowledges everything but the first delivery, until
// the identifiers have gone round once.
func TestStuckIdentifier(t *testing.T) {
	s, out := New(&Config{MaxInflight: 3}, 1), &wire{}
	s.Connected(0, out, 1)
	qos1 := func() Outcome { return s.Deliver(Delivery{Msg: message("x"), QoS: 1}, out, 1) }
	qos1()
	for id := uint16(2); id != 0; id++ {
		if qos1() != Sent {
			t.Fatalf("%d was not sent", id)
		}
		if _, err := s.Puback(id, 0, out, 1); err != nil {
			t.Fatalf("PUBACK %d: %v", id, err)
		}
	}
	if size := len(s.flights.slots.buf); size > 8 {
		t.Errorf("one flight holds %d slots", size)
	}
	for _, want := range []string{"x#2", "x#3"} { // 1 is in use
		out.log = nil
		if qos1() != Sent || len(out.log) != 1 || out.log[0] != want {
			t.Fatalf("sent %v, want %s", out.log, want)
		}
	}
	if qos1() != Queued {
		t.Error("the window has no bound any more")
	}
	for _, id := range []uint16{3, 1, 2, 4} { // in any order; 4 was queued
		if d, err := s.Puback(id, 0, out, 1); err != nil || d.Msg == nil {
			t.Errorf("PUBACK %d: %v", id, err)
		}
	}
	if _, err := s.Puback(3, 0, out, 1); err != mqtt.PacketIdentifierNotFound {
		t.Errorf("PUBACK 3 again: %v", err)
	}
	if s.flights.mixed || s.Inflight() != 0 {
		t.Errorf("%d in flight, mixed %t", s.Inflight(), s.flights.mixed)
	}
}

func TestGrant(t *testing.T) {
	is := func(upgrade bool, published, subscribed, want int) {
		t.Helper()
		s := New(&Config{UpgradeQoS: upgrade}, 1)
		m, sub := message("x"), &Subscription{}
		m.QoS, sub.QoS = qos(published), qos(subscribed)
		if got := s.Grant(m, sub); got != qos(want) {
			t.Errorf("published at %d for a subscription at %d, upgrade %t: got %d, want %d", published, subscribed, upgrade, got, want)
		}
	}
	is(false, 0, 0, 0)
	is(false, 2, 1, 1)
	is(false, 1, 2, 1)
	is(true, 2, 1, 2)
	is(true, 0, 1, 1)
}

func TestExpiryAndWillTimes(t *testing.T) {
	is := func(expiry, delay uint32, wantEnd, wantWill int64) {
		t.Helper()
		s := New(&Config{}, 1)
		s.SetExpiryInterval(expiry)
		s.SetWill(&Will{Msg: message("bye"), Delay: delay})
		s.Connected(0, &wire{}, 500)
		if s.ExpiresAt() != 0 || s.WillAt() != 0 {
			t.Errorf("while connected the session ends at %d and its will is due at %d", s.ExpiresAt(), s.WillAt())
		}
		s.Disconnected(1000)
		if s.ExpiresAt() != wantEnd || s.WillAt() != wantWill {
			t.Errorf("expiry %d, delay %d: ends %d, will %d; want %d, %d", expiry, delay, s.ExpiresAt(), s.WillAt(), wantEnd, wantWill)
		}
	}
	is(0, 0, 1000, 1000)
	is(0, 60, 1000, 1000)
	is(60, 30, 61000, 31000)
	is(30, 60, 31000, 31000)
	is(Never, 60, 0, 61000)
	is(Never-1, 0, 1000+int64(Never-1)*1000, 1000)
}

// TestBorrowedMessages uses the publisher's buffer again, as a connection does.
func TestBorrowedMessages(t *testing.T) {
	s, out := New(&Config{MaxInflight: 1}, 1), &wire{}
	s.Connected(0, out, 1)
	buffer := []byte("ab")
	for i := range buffer {
		s.Deliver(Delivery{Msg: &mqtt.Message{Payload: buffer[i : i+1]}, QoS: 1}, out, 1)
	}
	copy(buffer, "xx")
	s.Connected(0, out, 1)
	d, err := s.Puback(1, 0, out, 1)
	if got := strings.Join(out.log, " "); got != "a#1 a#1! b#2" || err != nil || string(d.Msg.Payload) != "a" {
		t.Errorf("sent %s, acknowledged %s, %v", got, d.Msg.Payload, err)
	}
}

func TestDropWords(t *testing.T) {
	for d, want := range []string{"unknown", "no_local", "too_large", "qos0_msg", "queue_full", "expired", "session_ended", "log_retention", "unsubscribed", "unknown"} {
		if got := Drop(d).String(); got != want {
			t.Errorf("Drop(%d) is %q, want %q", d, got, want)
		}
	}
}
