package alarm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// rig is Alarms with all that is told of them.
type rig struct {
	*Alarms
	t      *testing.T
	kept   *fakeKeeper
	log    bytes.Buffer
	told   []string // topic and payload
	events []string
}

func newRig(t *testing.T, kept *fakeKeeper, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, kept: kept}
	o := Options{
		Log:     slog.New(slog.NewTextHandler(&r.log, nil)),
		Publish: func(topic string, payload []byte) { r.told = append(r.told, topic+" "+string(payload)) },
		Event:   func(a Alarm) { r.events = append(r.events, fmt.Sprint(a.Name, a.Active())) },
	}
	if kept != nil {
		o.Keeper = kept
	}
	o.Config.SetDefaults()
	for _, c := range change {
		c(&o.Config)
	}
	var err error
	if r.Alarms, err = New(o); err != nil {
		t.Fatal(err)
	}
	return r
}

// wants compares the names of active alarms and of the history.
func (r *rig) wants(active, history string) {
	r.t.Helper()
	if a, h := names(r.Active()), names(r.History()); a != active || h != history {
		r.t.Errorf("active are %q, history is %q; want %q, %q", a, h, active, history)
	}
}

func names(all []Alarm) string {
	var out []string
	for _, a := range all {
		out = append(out, a.Name)
	}
	return strings.Join(out, " ")
}

// fakeKeeper keeps records in memory.
type fakeKeeper struct {
	mu      sync.Mutex
	records map[string]string
	broken  error
}

func (k *fakeKeeper) PutLater(key string, value []byte, done func(error)) { done(k.put(key, value)) }

func (k *fakeKeeper) DeleteLater(key string, done func(error)) { done(k.delete(key)) }

func (k *fakeKeeper) Each(f func(string, []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(k.records)) {
		if err := f(key, []byte(k.records[key])); err != nil {
			return err
		}
	}
	return k.broken
}

func (k *fakeKeeper) put(key string, value []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.records == nil {
		k.records = make(map[string]string)
	}
	if k.broken == nil {
		k.records[key] = string(value)
	}
	return k.broken
}

func (k *fakeKeeper) delete(key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.records, key)
	return k.broken
}

func TestRaisedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, new(fakeKeeper))
		if !r.Activate("b", "b is bad", nil) || r.Activate("b", "b is still bad", nil) {
			t.Error("an alarm is raised once")
		}
		r.Activate("a", "a is bad", Details{"n": 1})
		r.wants("b a", "") // as they were raised
		time.Sleep(time.Minute)
		if !r.Deactivate("b") || r.Deactivate("b") || r.Deactivate("unknown") {
			t.Error("an alarm ends once")
		}
		r.wants("a", "b")
		h := r.History()[0]
		if h.Active() || h.DeactivateAt.Sub(h.ActivateAt) != time.Minute || h.Message != "b is bad" {
			t.Errorf("history: %+v", h)
		}
		r.Activate("b", "again", nil)
		r.Deactivate("a")
		r.wants("b", "a b") // the last one first
		r.ClearHistory()
		r.wants("b", "")
		if len(r.kept.records) != 1 {
			t.Errorf("records of what is forgotten: %v", r.kept.records)
		}
	})
}

func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.Activate(HighCPU, "85.2% cpu usage", Details{"usage": 85.2})
		time.Sleep(time.Second)
		r.Deactivate(HighCPU)
		want := []string{ // synctest begins with the year 2000
			`alarms/activate {"name":"high_cpu_usage","message":"85.2% cpu usage","details":{"usage":85.2},"activate_at":946684800000000,"deactivate_at":"infinity","activated":true}`,
			`alarms/alert {"id":"cpu_high_watermark","desc":"85.2% cpu usage"}`,
			`alarms/deactivate {"name":"high_cpu_usage","message":"high_cpu_usage","details":"no_details","activate_at":946684800000000,"deactivate_at":946684801000000,"activated":false}`,
			`alarms/clear {"id":"cpu_high_watermark"}`,
		}
		if !slices.Equal(r.told, want) {
			t.Errorf("published:\n%s\nwant\n%s", strings.Join(r.told, "\n"), strings.Join(want, "\n"))
		}
		for _, line := range []string{`msg="Alarm high_cpu_usage is activated, 85.2% cpu usage"`, `msg="Alarm high_cpu_usage is deactivated"`} {
			if !strings.Contains(r.log.String(), line) {
				t.Errorf("no %s in the log:\n%s", line, &r.log)
			}
		}
		if len(r.events) != 0 {
			t.Errorf("events without being asked for: %v", r.events)
		}
	})
}

func TestActions(t *testing.T) {
	f := func(actions string, published, logged, events int) {
		t.Helper()
		r := newRig(t, nil, func(c *Config) { c.Actions = strings.Fields(actions) })
		r.Activate("a", "m", nil)
		r.Deactivate("a")
		if p, l, e := len(r.told), strings.Count(r.log.String(), "Alarm a is"), len(r.events); p != published || l != logged || e != events {
			t.Errorf("%q: published %d, logged %d, events %d; want %d, %d, %d", actions, p, l, e, published, logged, events)
		}
	}
	f("", 0, 0, 0)
	f("log", 0, 2, 0)
	f("publish", 4, 0, 0)
	f("event", 0, 0, 2)
	f("log publish event", 4, 2, 2)
}

func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, new(fakeKeeper), func(c *Config) { c.SizeLimit, c.Validity = 2, time.Hour })
		for _, name := range strings.Fields("a b c d") {
			r.Activate(name, name, nil)
			r.Deactivate(name)
			time.Sleep(20 * time.Minute)
		}
		r.wants("", "d c")
		if len(r.kept.records) != 2 {
			t.Errorf("records: %v", r.kept.records)
		}
		time.Sleep(20 * time.Minute) // c ended an hour ago
		r.wants("", "d")
		time.Sleep(20 * time.Minute)
		r.wants("", "")
		r.Activate("e", "e", nil)
		r.Deactivate("e")
		if r.wants("", "e"); len(r.kept.records) != 1 {
			t.Errorf("records: %v", r.kept.records)
		}

		forEver := newRig(t, nil, func(c *Config) { c.SizeLimit, c.Validity = 0, 0 })
		for i := range 3000 {
			forEver.Activate(fmt.Sprint(i), "", nil)
			forEver.Deactivate(fmt.Sprint(i))
		}
		time.Sleep(1000 * time.Hour)
		if n := len(forEver.History()); n != 3000 {
			t.Errorf("%d in a history without bounds", n)
		}
	})
}

// TestRestart: the history is there again, and what was active is part of it.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := new(fakeKeeper)
		r := newRig(t, kept)
		r.Activate("left", "left over", Details{"n": 1})
		r.Activate("over", "over", nil)
		r.Deactivate("over")
		time.Sleep(time.Minute)

		again := newRig(t, kept)
		again.wants("", "left over")
		if h := again.History()[0]; !h.DeactivateAt.Equal(time.Now()) || h.Message != "left over" || h.Details["n"] != 1.0 {
			t.Errorf("history: %+v", h)
		}
		if len(again.told)+again.log.Len() != 0 {
			t.Errorf("leftovers are told of: %v %s", again.told, &again.log)
		}
		time.Sleep(time.Minute)
		again.Activate("left", "again", nil)
		again.wants("left", "left over")
		again.Deactivate("left")

		third := newRig(t, kept) // the end of the leftover was written
		third.wants("", "left left over")
		if h := third.History(); h[1].DeactivateAt.Equal(h[0].DeactivateAt) {
			t.Errorf("history: %+v", h)
		}
		time.Sleep(25 * time.Hour)
		newRig(t, kept).wants("", "")
		if len(kept.records) != 0 {
			t.Errorf("outdated records: %v", kept.records)
		}
	})
}

func TestForeignRecords(t *testing.T) {
	f := func(key, value string) {
		t.Helper()
		kept := &fakeKeeper{records: map[string]string{key: value}}
		r := newRig(t, kept)
		if r.wants("", ""); len(kept.records) != 0 || !strings.Contains(r.log.String(), "is no alarm") {
			t.Errorf("%q: records %v, log:\n%s", key, kept.records, &r.log)
		}
	}
	f("0000000000000001", "{")
	f("x", "{}")
	if _, err := New(Options{Keeper: &fakeKeeper{broken: errors.New("gone")}}); err == nil {
		t.Error("no error of a store that can't be read")
	}
}

// TestFullDisk: there is an alarm all the same, and the log says what isn't
// kept.
func TestFullDisk(t *testing.T) {
	kept := new(fakeKeeper)
	r := newRig(t, kept)
	kept.broken = errors.New("the disk is full")
	r.Activate("a", "m", nil)
	r.wants("a", "")
	r.Deactivate("a")
	r.wants("", "a")
	r.ClearHistory()
	r.wants("", "")
	if got := r.log.String(); strings.Count(got, "the disk is full") != 3 || len(r.told) != 4 {
		t.Errorf("log:\n%s\npublished: %v", got, r.told)
	}
	// Details that are no JSON can be neither kept nor published.
	r.Activate("b", "m", Details{"f": func() {}})
	if r.wants("b", ""); len(r.told) != 5 || !strings.Contains(r.log.String(), "can't be published") {
		t.Errorf("published: %v, log:\n%s", r.told, &r.log)
	}
}

func TestViews(t *testing.T) {
	f := func(a Alarm, view, old string) {
		t.Helper()
		for want, v := range map[string]any{view: a.View(), old: a.OldView()} {
			if got, err := json.Marshal(v); err != nil || string(got) != want {
				t.Errorf("got  %s, %v\nwant %s", got, err, want)
			}
		}
	}
	at := time.UnixMicro(1600000000123456)
	f(Alarm{Name: "x", Message: "m", ActivateAt: at},
		`{"name":"x","message":"m","details":{},"activate_at":1600000000123456,"deactivate_at":"infinity","activated":true}`,
		`{"id":"x","desc":"m"}`)
	f(Alarm{Name: HighMemory, Message: "m", Details: Details{"k": "v"}, ActivateAt: at, DeactivateAt: at.Add(time.Second)},
		`{"name":"high_system_memory_usage","message":"m","details":{"k":"v"},"activate_at":1600000000123456,"deactivate_at":1600000001123456,"activated":false}`,
		`{"id":"system_memory_high_watermark","desc":"m","clear_at":"`+at.Add(time.Second).Format(time.DateTime)+`"}`)
}

// TestManyAtOnce is for the race detector; what is told alternates for each
// alarm.
func TestManyAtOnce(t *testing.T) {
	r := newRig(t, new(fakeKeeper), func(c *Config) { c.SizeLimit = 10 })
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				name := fmt.Sprint("alarm", i%3)
				r.Activate(name, "m", nil)
				r.Active()
				r.History()
				r.Deactivate(name)
			}
		})
	}
	all.Wait()
	last := make(map[string]string)
	for _, line := range r.told {
		topic, payload, _ := strings.Cut(line, " ")
		var v struct{ Name string }
		if err := json.Unmarshal([]byte(payload), &v); err != nil {
			t.Fatal(err)
		}
		if v.Name != "" && last[v.Name] == topic {
			t.Fatalf("%s came twice for %s", topic, v.Name)
		}
		last[v.Name] = topic
	}
	if len(r.Active()) != 0 || len(r.History()) != 10 || len(r.kept.records) != 10 {
		t.Errorf("active %v, history %d, records %d", r.Active(), len(r.History()), len(r.kept.records))
	}
}
