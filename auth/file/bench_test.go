package file

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

// manyRules names n clients, half by user name and half by client id, between
// the delivered rules and {deny, all}.
func manyRules(n int) string {
	var src strings.Builder
	src.WriteString(defaults)
	for i := range n {
		key := []string{"user", "client"}[i%2]
		fmt.Fprintf(&src, "{allow, {%s, \"n%d\"}, pubsub, [\"n/%d/#\", \"d/%%c\"]}.\n", key, i, i)
	}
	src.WriteString("{deny, all}.\n")
	return src.String()
}

func TestDecidingAllocatesNothing(t *testing.T) {
	rs := rulesOf(t, `{deny, {'and', [{ipaddr, "10.0.0.0/8"}, {client, "c1"}]}, pubsub, ["x/%u/#"]}.`+manyRules(100))
	f := &File{}
	f.rules.Store(rs)
	r := &auth.Request{Client: alice, Action: auth.Publish, Topic: "n/1/x"}
	n := testing.AllocsPerRun(100, func() {
		for _, r.Topic = range []string{"n/1/x", "x/alice/y", "d/c1"} {
			if _, err := f.Authorize(context.Background(), r); err != nil {
				t.Error(err)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAuthorize(b *testing.B) {
	for _, n := range []int{0, 10, 10_000} {
		rs, err := parse("bench", manyRules(n))
		if err != nil {
			b.Fatal(err)
		}
		run := func(who string, r *auth.Request, decide func(*rules, *auth.Request) *rule) {
			b.Run(fmt.Sprintf("rules=%d/%s", n, who), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if decide(rs, r) == nil {
						b.Fatal("no rule")
					}
				}
			})
		}
		known := &auth.Request{Client: &auth.Client{ClientID: "c", Username: fmt.Sprintf("n%d", n/4*2), Peer: alice.Peer},
			Action: auth.Publish, Topic: fmt.Sprintf("n/%d/temperature", n/4*2)}
		stranger := &auth.Request{Client: alice, Action: auth.Publish, Topic: "n/1/temperature"}
		run("named", known, (*rules).decide)
		run("stranger", stranger, (*rules).decide)
		run("stranger-naive", stranger, naive)
	}
}

func BenchmarkParse(b *testing.B) {
	src := manyRules(10_000)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse("bench", src); err != nil {
			b.Fatal(err)
		}
	}
}
