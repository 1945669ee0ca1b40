package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestBrokers(t *testing.T) {
	f := func(line, brokers string, publishTo, subscribeTo []int) {
		t.Helper()
		o := parsed(t, line)
		if o.addresses() != brokers || !slices.Equal(o.publishTo, publishTo) || !slices.Equal(o.subscribeTo, subscribeTo) {
			t.Errorf("%s: %s, publishers to %v, subscribers to %v", line, o.addresses(), o.publishTo, o.subscribeTo)
		}
	}
	f("conn", "127.0.0.1:1883", []int{0}, []int{0})
	f("conn -h a -p 7", "a:7", []int{0}, []int{0})
	f("conn -h a:8,b,a:8 -p 7", "a:8, b:7", []int{0, 1, 0}, []int{0, 1, 0})
	f("conn -h ::1,[::2]:9 -S", "[::1]:8883, [::2]:9", []int{0, 1}, []int{0, 1})
	f("roundtrip --publish-at a --subscribe-at b,c", "a:1883, b:1883, c:1883", []int{0}, []int{1, 2})
	f("offline -h a --return-at b,a", "a:1883, b:1883", []int{0}, []int{0})
	f("roundtrip -h c,a --publish-at a", "a:1883, c:1883", []int{0}, []int{1, 0})
}

// TestEveryPair: publishers and subscribers of one topic each are spread over
// all pairs of brokers, evenly.
func TestEveryPair(t *testing.T) {
	f := func(line string, n int, want string) {
		t.Helper()
		o := parsed(t, line)
		pairs := map[string]int{}
		for i := range n {
			pairs[fmt.Sprint(o.brokerOf(publisher, i), "-", o.brokerOf(subscriber, i))]++
		}
		if got := fmt.Sprint(pairs); got != want {
			t.Errorf("%s: %s", line, got)
		}
	}
	f("roundtrip -h a", 5, "map[0-0:5]")
	f("roundtrip -h a,b", 8, "map[0-0:2 0-1:2 1-0:2 1-1:2]")
	f("roundtrip -h a,b,c", 9, "map[0-0:1 0-1:1 0-2:1 1-0:1 1-1:1 1-2:1 2-0:1 2-1:1 2-2:1]")
	f("roundtrip --publish-at a --subscribe-at b,c", 4, "map[0-1:2 0-2:2]")
	f("sub -t t -h a,b", 4, "map[0-0:2 1-1:2]")
}

// TestSeveralBrokers: connections go to all of them in turn, and each pair has
// its figures. The brokers know nothing of each other, so only messages between
// clients of one arrive.
func TestSeveralBrokers(t *testing.T) {
	a, b := (&fakeBroker{}).start(t, nil), (&fakeBroker{}).start(t, nil)
	hosts := fmt.Sprintf("127.0.0.1:%d,127.0.0.1:%d", a.port(), b.port())
	if res := good(t, 1, "conn -c 5 -i 0 --seconds 0.1 -h "+hosts); res.Connected != 5 {
		t.Errorf("%d connected", res.Connected)
	}
	res, _, complaints := bench(t, 1, "roundtrip -c 4 -i 0 --rate 400 --warmup 0 --seconds 0.5 --drain 0.2 -h "+hosts)
	a.stop()
	b.stop()
	if len(a.clients) != 3+4 || len(b.clients) != 2+4 {
		t.Errorf("%d and %d clients", len(a.clients), len(b.clients))
	}
	if len(res.Pairs) != 2 || res.Delivered == 0 || res.Lost < int64(res.Sent)/3 || complaints != "" {
		t.Fatalf("%s: %+v", complaints, res)
	}
	for i, p := range res.Pairs {
		at := strings.Split(hosts, ",")[i]
		if p.From != at || p.To != at || p.DeliveredPerS <= 0 || p.P50 <= 0 || p.P99 < p.P50 || p.Max < p.P99 {
			t.Errorf("pair %d: %+v", i, p)
		}
	}
	text := res.text(parsed(t, "roundtrip -h "+hosts))
	if !strings.Contains(text, fmt.Sprintf("pair         %s to %[1]s: ", strings.Split(hosts, ",")[0])) {
		t.Errorf("the summary:\n%s", text)
	}
}
