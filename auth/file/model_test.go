package file

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

// naive asks every rule of the file in its order.
func naive(rs *rules, r *auth.Request) *rule {
	for _, rule := range rs.all {
		if (r.Action == auth.Publish && rule.publish || r.Action == auth.Subscribe && rule.subscribe) && rule.covers(r.Client, r.Topic) {
			return rule
		}
	}
	return nil
}

// dice makes random rules and requests out of few names, so that they meet.
type dice struct{ *rand.Rand }

func (d dice) pick(of ...string) string { return of[d.IntN(len(of))] }

func (d dice) who(depth int) string {
	if depth > 0 && d.IntN(3) == 0 {
		parts := make([]string, d.IntN(4))
		for i := range parts {
			parts[i] = d.who(depth - 1)
		}
		return fmt.Sprintf("{%s, [%s]}", d.pick("'and'", "'or'"), strings.Join(parts, ", "))
	}
	return d.pick(`all`, `{user, all}`, `{user, "a"}`, `{user, "b"}`, `{user, "c"}`, `{client, "a"}`, `{client, "x"}`,
		`{client, "y"}`, `{ipaddr, "10.0.0.1"}`, `{ipaddrs, ["10.0.0.0/8", "::1"]}`, `{user, {re, "[ab]"}}`)
}

func (d dice) rule() string {
	if d.IntN(40) == 0 {
		return fmt.Sprintf("{%s, all}.\n", d.pick("allow", "deny"))
	}
	topics := make([]string, d.IntN(3))
	for i := range topics {
		topics[i] = d.pick(`"t"`, `"t/+"`, `"t/%c"`, `"%u"`, `"#"`, `{eq, "#"}`, `"u/#"`)
	}
	return fmt.Sprintf("{%s, %s, %s, [%s]}.\n", d.pick("allow", "deny"), d.who(3),
		d.pick("publish", "subscribe", "pubsub"), strings.Join(topics, ", "))
}

func (d dice) request() *auth.Request {
	c := &auth.Client{ClientID: d.pick("a", "x", "y", "z"), Username: d.pick("", "a", "b", "c", "d")}
	if peer := d.pick("", "10.0.0.1:1", "10.2.0.1:1", "[::1]:1", "[::ffff:10.0.0.1]:1"); peer != "" {
		c.Peer = netip.MustParseAddrPort(peer)
	}
	r := &auth.Request{Client: c, Action: auth.Publish, Topic: d.pick("t", "t/x", "t/a", "a", "b", "u", "u/v", "$x")}
	if d.IntN(2) == 0 {
		r.Action, r.Topic = auth.Subscribe, d.pick(r.Topic, "#", "t/+", "u/#")
	}
	return r
}

// TestIndexIsTheFileInOrder holds the index against the naive reading.
func TestIndexIsTheFileInOrder(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(1, 2))}
	decided := 0
	for range 300 {
		var src strings.Builder
		for range 1 + d.IntN(30) {
			src.WriteString(d.rule())
		}
		rs := rulesOf(t, src.String())
		for range 100 {
			r := d.request()
			got, want := rs.decide(r), naive(rs, r)
			if got != want {
				t.Fatalf("%+v %s %s:\ngot  %+v\nwant %+v\nof\n%s", r.Client, r.Action, r.Topic, got, want, src.String())
			}
			if want != nil {
				decided++
			}
		}
	}
	if decided < 10000 || decided > 29000 {
		t.Errorf("%d of 30000 requests were decided: the dice say little", decided)
	}
}

// FuzzParse: whatever a file holds, it is read or refused; what was read decides
// like the naive reading, and its text reads back as the same rule.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, src string) {
		rs, err := parse("f", src)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") || len(err.Error()) > 500*(maxErrors+1) {
				t.Fatalf("%q", err)
			}
			return
		}
		for i, r := range rs.all {
			again, err := parse("again", r.Text+".")
			if err != nil || len(again.all) != 1 {
				t.Fatalf("rule %d, %q: %v", i, r.Text, err)
			}
			if strings.Count(src, "\n") < r.Line-1 || r.Line < 1 {
				t.Fatalf("rule %d is said to be in line %d", i, r.Line)
			}
		}
		for _, a := range []auth.Action{auth.Publish, auth.Subscribe} {
			for _, name := range []string{"a/b", "#", "$SYS/x", "%u", "d/alice"} {
				r := &auth.Request{Client: alice, Action: a, Topic: name}
				if rs.decide(r) != naive(rs, r) {
					t.Fatalf("%s %s: the index decides otherwise", a, name)
				}
			}
		}
	})
}
