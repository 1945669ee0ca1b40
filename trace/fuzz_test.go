package trace

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/linefile"
)

// now is a moment like any other.
var now = time.Unix(1_700_000_000, 0)

// collector keeps what is written; it takes the place of a queue.
type collector struct{ strings.Builder }

// FuzzLine has whatever a client may send written: it is one line, and of JSON
// one object, in which nothing of a client stands for something else.
func FuzzLine(f *testing.F) {
	f.Add("c1", "t/1", []byte("payload"), "x", 3)
	f.Add("c\n1", "\x00\"=", []byte{0xff, '\n', 0xc3}, "a b", 1)
	f.Add(`level=error event="trace ends"`, "日本", []byte("日本"), "\u2028", 4)
	f.Fuzz(func(t *testing.T, client, topic string, payload []byte, reason string, limit int) {
		for _, spec := range []Spec{{}, {JSON: true}, {Payload: Hex}, {Payload: Hidden, JSON: true}} {
			spec.PayloadLimit = 1 + (limit&0xffff)%MostPayload
			out := new(collector)
			r := &recorder{spec: spec, level: slog.LevelDebug, lines: spec.newHandler(out), log: slog.New(slog.DiscardHandler)}
			Watch{r}.Write(Line{Level: linefile.LevelNotice, Event: "received", Client: client, Peer: home, Topic: topic, Payload: payload,
				More: []slog.Attr{slog.String("reason", reason)}})
			text := out.String()
			if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
				t.Fatalf("not one line: %q", text)
			}
			if spec.JSON {
				var said map[string]any
				if err := json.Unmarshal([]byte(text), &said); err != nil || said["event"] != "received" || said["level"] != "notice" {
					t.Fatalf("%q: %v %v", text, said, err)
				}
			} else if !strings.Contains(text, " level=notice event=received ") {
				t.Fatalf("%q", text)
			}
			if longest := 8*(len(client)+len(topic)+len(reason)+2*spec.PayloadLimit) + 400; len(text) > longest {
				t.Fatalf("%d bytes, of a payload of %d and a limit of %d", len(text), len(payload), spec.PayloadLimit)
			}
		}
	})
}

// FuzzSpec has whatever REST may be given checked: what passes can be traced.
func FuzzSpec(f *testing.F) {
	f.Add("one", IPAddress, "192.0.2.9/24", "c1", "192.0.2.1")
	f.Add("two", IPAddress, "::ffff:192.0.2.1", "c1", "::1")
	f.Add("x-_1", Topic, "a/+/#", "a/b", "::1")
	f.Add("../x", Topic, "$share/g/a", "$SYS", "fe80::1%eth0")
	f.Fuzz(func(t *testing.T, name, kind, value, other, peer string) {
		s := Spec{Name: name, Type: kind, Value: value}
		if s.complete(now) != nil {
			return
		}
		if strings.ContainsAny(s.Name, "/\\.\x00") || s.Name == "" {
			t.Fatalf("a name of %q", s.Name)
		}
		again := s
		if err := again.check(); err != nil || again != s {
			t.Fatalf("%+v is read again as %+v: %v", s, again, err)
		}
		a := newActive([]*recorder{{spec: s}})
		addr, err := netip.ParseAddr(peer)
		if err != nil {
			addr = netip.Addr{}
		}
		a.Message(other, addr, other)
		a.Filters(other, addr, other, value)
		if kind == ClientID && len(a.Client(value, addr)) != 1 {
			t.Fatalf("the client %q isn't found", value)
		}
		if kind == Topic && !overlap(value, value) && !strings.HasPrefix(value, "$") {
			t.Fatalf("%q has nothing in common with itself", value)
		}
	})
}
