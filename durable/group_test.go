package durable

import (
	"reflect"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestGroupSurvives(t *testing.T) {
	f := func(g *Group, most int) {
		t.Helper()
		record := AppendGroup(nil, g)
		got, err := ParseGroup(record)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, g) {
			t.Errorf("got %+v,\nwant %+v", got, g)
		}
		if len(record) > most {
			t.Errorf("it takes %d bytes, more than %d", len(record), most)
		}
	}
	f(&Group{}, 4)
	f(&Group{Node: "n", Next: []uint64{1}}, 7)
	f(&Group{Next: []uint64{1 << 63, 7}, Until: []uint64{1<<64 - 1, 0}}, 30)
	f(&Group{Next: []uint64{9, 9, 9}, Open: []mqtt.At{{Shard: 0, Seq: 8}, {Shard: 2, Seq: 1}, {Shard: 2, Seq: 1 << 40}}}, 20)
	full := &Group{Next: []uint64{1 << 40}}
	for i := range uint64(320) { // ten members with full windows
		full.Open = append(full.Open, mqtt.At{Seq: 1<<40 - 1000 + 3*i})
	}
	f(full, 350)
}

// TestGroupInAnyOrder: what is open is written in the order of the log.
func TestGroupInAnyOrder(t *testing.T) {
	g := &Group{Next: []uint64{9, 9}, Open: []mqtt.At{{Shard: 1, Seq: 3}, {Shard: 0, Seq: 8}, {Shard: 1, Seq: 2}, {Shard: 0, Seq: 4}}}
	got, err := ParseGroup(AppendGroup([]byte("before")[:0], g))
	want := []mqtt.At{{Shard: 0, Seq: 4}, {Shard: 0, Seq: 8}, {Shard: 1, Seq: 2}, {Shard: 1, Seq: 3}}
	if err != nil || !reflect.DeepEqual(got.Open, want) {
		t.Errorf("open are %v, want %v; %v", got, want, err)
	}
}

func TestGroupErrors(t *testing.T) {
	f := func(record []byte, want string) {
		t.Helper()
		if _, err := ParseGroup(record); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error of %x is %v, want %q in it", record, err, want)
		}
	}
	whole := AppendGroup(nil, &Group{Node: "n", Next: []uint64{5, 6}, Until: []uint64{9, 9}, Open: []mqtt.At{{Shard: 1, Seq: 2}}})
	for n := range whole {
		f(whole[:n], "group record: it ends too early")
	}
	f(append(whole, 0), "1 bytes behind its end")
	f([]byte{2, 0, 0, 0}, "version 2")
	f([]byte{1, 8, 0, 0}, "flags 0x8")
	f([]byte{1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0}, "ends too early")
}

// TestGroupKey: nobody else's record is found under it.
func TestGroupKey(t *testing.T) {
	keys := map[string]GroupShare{MarkKey("g"): {}, MarkKey(MarkKey("g")): {}, MarkKey("\x00g\x00a\x00!"): {}, "c": {}, "": {}}
	for _, s := range []GroupShare{{"g", "a/b", 0}, {"g", "a/b", 1}, {"g/a", "b", 1<<64 - 1}, {"g", "", 1}, {"g", "a", 7}} {
		if key := s.Key(); !IsMark(key) || keys[key] != (GroupShare{}) {
			t.Errorf("the key of %v is %q", s, key)
		} else {
			keys[key] = s
		}
	}
	for key, want := range keys {
		if got, ok := ParseGroupKey(key); ok != (want != GroupShare{}) || ok && got != want {
			t.Errorf("%q is read as %v, %v, want %v", key, got, ok, want)
		}
	}
}

func FuzzGroup(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0})
	f.Add(AppendGroup(nil, &Group{Node: "n", Next: []uint64{5, 6}, Until: []uint64{9, 9}, Open: []mqtt.At{{Shard: 1, Seq: 2}, {Shard: 1, Seq: 1 << 50}}}))
	f.Add([]byte{1, 1, 1, 'n', 1, 0x80, 1, 3, 2, 1, 0})
	f.Fuzz(func(t *testing.T, record []byte) {
		g, err := ParseGroup(record)
		if err != nil {
			return
		}
		again, err := ParseGroup(AppendGroup(nil, g))
		if err != nil || !reflect.DeepEqual(again, g) {
			t.Errorf("%+v became %+v, %v", g, again, err)
		}
	})
}
