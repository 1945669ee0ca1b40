package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// crowdOfRecords keeps the records of so many sessions, each with a message in
// flight, and returns their number of subscriptions.
func crowdOfRecords(t *testing.T, r *rig, n int) {
	t.Helper()
	pub := r.connect("pub")
	for i := range n {
		r.connect(fmt.Sprint("c", i), durably, window(1)).subscribe(fmt.Sprint("own/", i), 1).subscribe("all", 1)
	}
	pub.publish("all", "for all", 1)
	for i := range n {
		pub.publish(fmt.Sprint("own/", i), fmt.Sprint("for ", i), 1)
	}
	r.quiet()
	for i := range n {
		c := r.Client(fmt.Sprint("c", i))
		c.Close(r.batch, c.conn, "closed", nil, true)
	}
	r.batch.End()
	r.quiet()
}

// A start with damaged records among good ones says each of them, once, and all
// others are back, with what was in flight and what waits.
func TestDamagedAmongMany(t *testing.T) {
	const n = 3 * dealt
	r, _ := newDurableRig(t, 2)
	crowdOfRecords(t, r, n)
	sessions, states := r.durable.sessions.(*fakeMap), r.durable.states.(*fakeMap)
	damage := map[int]func(id string){
		0: func(id string) { sessions.all[durable.SessionKey(id)] = []byte{99} },
		1: func(id string) { sessions.all[durable.SessionKey(id)] = nil },
		2: func(id string) { states.all[id] = []byte{99} },
		3: func(id string) { states.all[id] = states.all[id][:len(states.all[id])-1] },
		4: func(id string) { delete(states.all, id) }, // not damaged: it reads all since it subscribed
	}
	for i := range n {
		if f := damage[i%100]; f != nil {
			f(fmt.Sprint("c", i))
		}
	}
	sessions.all["not a key of ours"] = nil
	r, _ = r.crashed()
	text := r.log.String()
	said, bad := strings.Count(text, "\n"), 1
	for i := range n {
		id := fmt.Sprint("c", i)
		c := r.Client(id)
		switch damaged := i%100 < 4; {
		case damaged && c != nil:
			t.Fatalf("%s is there, although a record of it is damaged", id)
		case damaged:
			if bad++; strings.Count(text, "client="+id+" ")+strings.Count(text, `"s`+id+`\"`) != 1 {
				t.Fatalf("%s is not named once: %.300s", id, text)
			}
		case c == nil:
			t.Fatalf("%s is not there", id)
		case c.Status().Subscribed != 2:
			t.Fatalf("%s has %d subscriptions, want 2", id, c.Status().Subscribed)
		}
	}
	if said != bad {
		t.Errorf("%d lines are said, want %d", said, bad)
	}
	for i := 4; i < n; i += 17 {
		if i%100 >= 4 {
			got := r.connect(fmt.Sprint("c", i), durably, window(1)).ackAll()
			slices.Sort(got) // each topic is in a shard of its own
			if !slices.Equal(got, []string{fmt.Sprint("for ", i), "for all"}) {
				t.Fatalf("c%d got %q", i, got)
			}
		}
	}
	r.balances()
}

// What is in flight to many is read from the log once for all of them, and each
// session is counted.
func TestRestoredTogether(t *testing.T) {
	const n = 2 * fillAtOnce
	r, _ := newDurableRig(t, 1)
	crowdOfRecords(t, r, n)
	r, l := r.crashed()
	if reads := l.shards[0].readCount(); reads > n/10 {
		t.Errorf("the log was read %d times for %d sessions that have the same message in flight", reads, n)
	}
	if r.Sessions() != n {
		t.Errorf("%d sessions are back, want %d", r.Sessions(), n)
	}
	if got := r.metric("subscriptions.count"); got != 2*n {
		t.Errorf("%d subscriptions are counted, want %d", got, 2*n)
	}
}

// endingMap is a Map that can't be read to its end.
type endingMap struct {
	*fakeMap
	left int
}

var errEnding = errors.New("the disk is gone")

func (m *endingMap) Each(f func(string, []byte) error) error {
	err := m.fakeMap.Each(func(key string, value []byte) error {
		if m.left--; m.left < 0 {
			return errEnding
		}
		return f(key, value)
	})
	return err
}

// When a map can't be read to its end, that is said, and nothing is deleted that
// seems to belong to nobody.
func TestRestoreFails(t *testing.T) {
	for what, of := range map[string]func(*Options) *Map{
		"sessions": func(o *Options) *Map { return &o.Durable.Sessions },
		"states":   func(o *Options) *Map { return &o.Durable.States },
	} {
		t.Run(what, func(t *testing.T) {
			old, _ := newDurableRig(t, 1)
			c := old.connect("many", durably)
			for i := range 300 { // in chunks
				c.subscribe(fmt.Sprint("t/", i), 1)
			}
			crowdOfRecords(t, old, 20)
			l := newFakeLog(t, 1)
			var sessions, states *fakeMap
			r := newRig(t, withLog(l), func(o *Options) {
				sessions, states = o.Durable.Sessions.(*fakeMap), o.Durable.States.(*fakeMap)
				sessions.all, states.all = old.durable.sessions.(*fakeMap).copy(), old.durable.states.(*fakeMap).copy()
				m := of(o)
				*m = &endingMap{(*m).(*fakeMap), 7}
			})
			r.durable.zone = func(string) *Zone { return r.zone }
			if _, err := r.Restore(); !errors.Is(err, errEnding) {
				t.Errorf("the error is %v", err)
			}
			r.quiet()
			if n := sessions.changes() + states.changes(); n != 0 {
				t.Errorf("%d records were changed", n)
			}
		})
	}
}

// Places are read in runs, each once; what was deleted or makes no sense is left
// out.
func TestReadAll(t *testing.T) {
	r, l := newDurableRig(t, 2)
	r.connect("c", durably).subscribe("#", 1)
	pub := r.connect("pub")
	for i := range 400 {
		pub.publish(fmt.Sprint("t/", i%7), fmt.Sprint(i), 1)
	}
	r.quiet()
	l.cut(150)
	first, last := l.Bounds(0)
	l.shards[0].entries[20].Record = []byte{99}
	var at []mqtt.At
	want := 0
	for seq := last + 3; seq > 0; seq-- {
		if seq%3 == 0 || seq%50 < 5 || seq == first+20 {
			at = append(at, mqtt.At{Shard: 0, Seq: seq}, mqtt.At{Shard: 0, Seq: seq})
			if seq >= first && seq <= last && seq != first+20 {
				want++
			}
		}
	}
	at = append(at, mqtt.At{Shard: 7, Seq: 1})
	before := l.shards[0].readCount()
	got, err := r.durable.readAll(at)
	if err != nil || len(got) != want {
		t.Errorf("%d messages, want %d: %v", len(got), want, err)
	}
	for place, m := range got {
		if m.At() != place || m.Topic == "" {
			t.Errorf("%v is %+v", place, m)
		}
	}
	if reads := l.shards[0].readCount() - before; reads > 40 {
		t.Errorf("%d reads for %d places", reads, want)
	}
	l.failing(errFake)
	if _, err := r.durable.readAll([]mqtt.At{{Shard: 1, Seq: 199}}); !errors.Is(err, errFake) {
		t.Errorf("the error is %v", err)
	}
}
