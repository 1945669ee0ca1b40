package broker

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestSketch holds a sketch against exact counts: whoever comes more often than
// one time in sketchSize is in it, and is never counted too often.
func TestSketch(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var s sketch
	exact := make(map[string]uint64)
	const n = 100_000
	for i := range n {
		name := fmt.Sprint("rare ", i)
		if i%3 > 0 { // names of falling frequency
			name = fmt.Sprint("often ", int(30*rnd.Float64()*rnd.Float64()))
		}
		exact[name]++
		s.add(name, 1)
	}
	got := make(map[string]uint64)
	for _, row := range s.top(sketchSize) {
		got[row.Name] = row.Count
		if row.Count > exact[row.Name] || row.Count == 0 {
			t.Errorf("%s is counted %d times, it came %d times", row.Name, row.Count, exact[row.Name])
		}
	}
	for name, count := range exact {
		if count > n/sketchSize && got[name]+n/sketchSize < count {
			t.Errorf("%s came %d times and is counted %d times", name, count, got[name])
		}
	}
	if len(s.all) != sketchSize || len(s.at) != sketchSize {
		t.Errorf("the sketch holds %d names, and %d places of names", len(s.all), len(s.at))
	}
	if top := s.top(3); len(top) != 3 || !slices.IsSortedFunc(top, func(a, b Tallied) int { return int(b.Count) - int(a.Count) }) {
		t.Errorf("%v is no top of three", top)
	}
}

func TestSketchBoundsNames(t *testing.T) {
	var s sketch
	long := strings.Repeat("ü", 60_000)
	s.add(long, 1)
	s.add(long+"x", 1)
	if top := s.top(9); len(top) != 1 || top[0].Count != 2 || len(top[0].Name) > sketchName+3 || !strings.HasPrefix(long, strings.TrimSuffix(top[0].Name, "…")) {
		t.Errorf("%.300s", fmt.Sprint(top))
	}
}

// TestAccount drops messages and deliveries for every reason that the broker
// itself has, and wants to see who lost them.
func TestAccount(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Config.Broker.MaxDelayed = 1 })
	on := r.Hooks.MessagePublish.Add("test", 0, func(e *hook.MessagePublish) hook.Verdict {
		e.Refuse = e.Message.Topic == "forbidden"
		return hook.Continue
	})
	if on != nil {
		t.Fatal(on)
	}
	r.zone.Session.MaxMqueueLen = 1
	p := r.connect("p")
	slow := r.connect("slow", expiry(100)).subscribe("t", 1)
	slow.close("closed")
	own := r.connect("own")
	own.subscribeIn(r.batch, "own", mqtt.SubscribeOptions{NoLocal: true}, 0)

	for range 3 {
		p.publish("t", "", 1)
	}
	p.publish("t", "", 0)
	p.publish("nobody", "", 0)
	p.publish("nobody", "", 0)
	p.publish("no one", "", 0)
	p.publish("forbidden", "", 0)
	p.publish("$delayed/9/t", "", 0)
	p.publish("$delayed/9/t", "", 0)
	own.publish("own", "", 0)
	r.Refused(NotAuthorized, "p", "")

	a := r.Account(1)
	if a.Published != 11 || a.Since == 0 || a.LosersSince != a.Since || a.Ledger.Balance() != 0 || a.Ledger.Queued != 1 {
		t.Errorf("%+v", a)
	}
	refused := map[string]uint64{
		"no_subscribers": 3, "refused_by_hook": 1, "delayed_full": 1, "not_authorized": 1, "not_judged": 0, "not_kept": 0, "quota_exceeded": 0, "receive_maximum_exceeded": 0,
	}
	if !maps.Equal(a.Refused, refused) {
		t.Errorf("refused %v, want %v", a.Refused, refused)
	}
	one := func(client string, n uint64, topic string, m uint64) Losers {
		return Losers{[]Tallied{{client, n}}, []Tallied{{topic, m}}}
	}
	want := map[string]Losers{
		"no_subscribers": one("p", 3, "nobody", 2), "refused_by_hook": one("p", 1, "forbidden", 1), "delayed_full": one("p", 1, "$delayed/9/t", 1),
		"queue_full": one("slow", 2, "t", 2), "qos0_msg": one("slow", 1, "t", 1), "no_local": one("own", 1, "own", 1),
		"not_authorized": {[]Tallied{{"p", 1}}, []Tallied{}},
	}
	if got, want := fmt.Sprint(a.Losers), fmt.Sprint(want); got != want {
		t.Errorf("losers\n%s, want\n%s", got, want)
	}
	r.ForgetLosers()
	if a := r.Account(9); len(a.Losers) != 0 || a.Refused["no_subscribers"] != 3 || a.LosersSince < a.Since {
		t.Errorf("%+v are left", a)
	}
}

// BenchmarkNobody publishes to topics that nobody subscribes to: the drop that
// may be somebody's usual case.
func BenchmarkNobody(b *testing.B) {
	for _, topics := range []int{1, 50, 10_000} {
		b.Run(fmt.Sprint(topics), func(b *testing.B) {
			r := newRig(b)
			var publish []func()
			for i := range topics {
				publish = append(publish, r.publisher(nil, fmt.Sprint("site/12/device/", i), 0))
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				publish[i%topics]()
				i++
			}
		})
	}
}
