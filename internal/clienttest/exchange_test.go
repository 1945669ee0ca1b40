package clienttest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// rows are all ways in which foreign clients connect. Mosquitto's programs of
// this age don't speak WebSocket.
func rows(js *nodeJS) []row {
	var all []row
	add := func(client string, connect func(testing.TB, endpoint, session) peer, versions []byte, transports string) {
		for _, v := range versions {
			for _, transport := range strings.Fields(transports) {
				all = append(all, row{client, v, transport, connect})
			}
		}
	}
	add("mosquitto", connectMosquitto, []byte{3, 4, 5}, "tcp ssl")
	add("paho.mqtt.golang", connectPahoV3, []byte{3, 4}, "tcp ssl ws wss")
	add("paho.golang", connectPahoV5, []byte{5}, "tcp ssl ws wss")
	add("MQTT.js", js.connect, []byte{3, 4, 5}, "tcp ssl ws wss")
	return all
}

// world is what a scenario runs in: peers of one row, which talk at one QoS
// about topics that are theirs alone.
type world struct {
	row
	at   endpoint
	qos  byte
	name string
	free bool // the transport costs little, so there may be many messages
}

func (w *world) topic(level string) string { return w.name + "/" + level }

// join connects a peer of a new session.
func (w *world) join(t testing.TB, id string) peer {
	t.Helper()
	return w.connect(t, w.at, session{id: w.id(id)})
}

// id is at most 23 characters, as version 3.1 has it.
func (w *world) id(id string) string { return w.name + id }

var scenarios = []struct {
	name string
	run  func(t *testing.T, w *world)
}{
	{"many messages in order", inOrder},
	{"900 KB", large},
	{"retained", retained},
	{"will", will},
	{"session goes on", resumed},
	{"shared by two", shared},
	{"unsubscribe", unsubscribed},
}

// TestExchange is every scenario with every client, version and transport, at
// every QoS.
func TestExchange(t *testing.T) {
	t.Parallel()
	b := start(t, "tcp ssl ws wss", "log.level=info")
	for i, r := range rows(startNode(t)) {
		t.Run(fmt.Sprintf("%s v%d %s", r.client, r.version, r.transport), func(t *testing.T) {
			t.Parallel()
			at := b.at(t, r.transport, r.version)
			for j, s := range scenarios {
				for qos := range byte(3) {
					w := &world{r, at, qos, fmt.Sprintf("r%ds%dq%d", i, j, qos), r.transport == "tcp" || r.transport == "ws"}
					t.Run(fmt.Sprintf("%s QoS %d", s.name, qos), func(t *testing.T) { s.run(t, w) })
				}
			}
		})
	}
}

// inOrder: what one publishes another gets, in order. As nobody loses its
// connection, exactly once holds for every QoS.
func inOrder(t *testing.T, w *world) {
	n := 50
	if w.free {
		n = 1000
	}
	sub, pub := w.join(t, "sub"), w.join(t, "pub")
	sub.subscribe(t, w.topic("#"), w.qos)
	sent := names("m", n)
	pub.publish(t, w.topic("a"), w.qos, false, sent...)
	pub.publish(t, w.topic("end"), w.qos, false, "end") // and nothing came twice before it
	for i, m := range receive(t, sub, n+1) {
		want := message{w.topic("end"), "end", w.qos, false}
		if i < n {
			want = message{w.topic("a"), sent[i], w.qos, false}
		}
		if m != want {
			t.Fatalf("message %d is %v, expected %v", i, m, want)
		}
	}
}

func large(t *testing.T, w *world) {
	sub, pub := w.join(t, "sub"), w.join(t, "pub")
	sub.subscribe(t, w.topic("a"), w.qos)
	payload := strings.Repeat("0123456789abcde\n", 900<<10/16)
	pub.publish(t, w.topic("a"), w.qos, false, payload)
	expectNext(t, sub, message{w.topic("a"), payload, w.qos, false})
}

// retained: who comes later gets the last one with the flag, who is there
// already without it, and an empty one deletes.
func retained(t *testing.T, w *world) {
	pub, before, after, empty := w.join(t, "pub"), w.join(t, "old"), w.join(t, "new"), w.join(t, "none")
	before.subscribe(t, w.topic("a"), w.qos)
	pub.publish(t, w.topic("a"), w.qos, true, "first", "second")
	expectNext(t, before, message{w.topic("a"), "first", w.qos, false})
	expectNext(t, before, message{w.topic("a"), "second", w.qos, false})
	after.subscribe(t, w.topic("+"), w.qos)
	expectNext(t, after, message{w.topic("a"), "second", w.qos, true})
	pub.publish(t, w.topic("a"), w.qos, true, "")
	expectNext(t, before, message{w.topic("a"), "", w.qos, false})
	empty.subscribe(t, w.topic("+"), w.qos)
	pub.publish(t, w.topic("b"), w.qos, false, "live")
	expectNext(t, empty, message{w.topic("b"), "live", w.qos, false})
}

// will: it comes when the connection is cut, and not after a goodbye, unless
// that is DISCONNECT 0x04, which mosquitto_sub says in version 5.
func will(t *testing.T, w *world) {
	sub := w.join(t, "sub")
	sub.subscribe(t, w.topic("#"), w.qos)
	leave := func(id string) peer {
		return w.connect(t, w.at, session{id: w.id(id), will: &message{topic: w.topic(id), payload: "gone", qos: w.qos}})
	}
	leave("polite").disconnect(t)
	if w.client == "mosquitto" && w.version == 5 {
		expectNext(t, sub, message{w.topic("polite"), "gone", w.qos, false})
	}
	leave("killed").kill(t)
	expectNext(t, sub, message{w.topic("killed"), "gone", w.qos, false})
}

// resumed: a session gets what was published while its client was away, except
// at QoS 0, and then goes on.
func resumed(t *testing.T, w *world) {
	pub := w.join(t, "pub")
	s := session{id: w.id("sub"), keep: true}
	sub := w.connect(t, w.at, s)
	sub.subscribe(t, w.topic("a"), w.qos)
	sub.disconnect(t)
	missed := names("m", 20)
	pub.publish(t, w.topic("a"), w.qos, false, missed...)
	pub.publish(t, w.topic("b"), 1, false, "") // acknowledged: those before it have been routed
	sub = w.connect(t, w.at, s)
	if w.client == "mosquitto" {
		sub.subscribe(t, w.topic("a"), w.qos) // the program can't connect without
	}
	pub.publish(t, w.topic("a"), w.qos, false, "live")
	if w.qos > 0 {
		for _, payload := range missed {
			expectNext(t, sub, message{w.topic("a"), payload, w.qos, false})
		}
	}
	expectNext(t, sub, message{w.topic("a"), "live", w.qos, false})
}

// shared: each message goes to one of two members, and both get some.
func shared(t *testing.T, w *world) {
	const n = 40
	pub, members := w.join(t, "pub"), [2]peer{w.join(t, "a"), w.join(t, "b")}
	for i, m := range members {
		m.subscribe(t, "$share/g"+w.name+"/"+w.topic("a"), w.qos)
		m.subscribe(t, w.topic(fmt.Sprint("end", i)), w.qos)
	}
	sent := names("m", n)
	pub.publish(t, w.topic("a"), w.qos, false, sent...)
	var got []string
	for i, m := range members {
		end := w.topic(fmt.Sprint("end", i))
		pub.publish(t, end, w.qos, false, "")
		before := len(got)
		for one := receive(t, m, 1)[0]; one.topic != end; one = receive(t, m, 1)[0] {
			got = append(got, one.payload)
		}
		if len(got) == before {
			t.Errorf("member %d got nothing", i)
		}
	}
	slices.Sort(got)
	slices.Sort(sent)
	if !slices.Equal(got, sent) {
		t.Errorf("the members got %d messages: %v", len(got), got)
	}
}

func unsubscribed(t *testing.T, w *world) {
	pub := w.join(t, "pub")
	sub := w.connect(t, w.at, session{id: w.id("sub"), keep: true})
	sub.subscribe(t, w.topic("a"), w.qos)
	sub.subscribe(t, w.topic("b"), w.qos)
	pub.publish(t, w.topic("a"), w.qos, false, "1")
	expectNext(t, sub, message{w.topic("a"), "1", w.qos, false})
	sub.unsubscribe(t, w.topic("a"))
	pub.publish(t, w.topic("a"), w.qos, false, "2")
	pub.publish(t, w.topic("b"), w.qos, false, "3")
	expectNext(t, sub, message{w.topic("b"), "3", w.qos, false})
}
