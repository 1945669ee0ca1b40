package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// explain is an Explanation as text: who answered what, and the end of it.
func (g *rig) explain(who *Client, topic string) string {
	g.t.Helper()
	e, err := g.Explain(g.t.Context(), &g.policy, &Request{Client: who, Action: Subscribe, Topic: topic})
	if err != nil {
		g.t.Fatal(err)
	}
	var all []string
	for _, a := range e.Asked {
		word := [...]string{"ignores", "allows", "denies"}[a.Verdict]
		if a.Err != nil {
			word = "fails (" + a.Err.Error() + ")"
		}
		all = append(all, a.By+" "+word)
	}
	rule := ""
	if e.Rule != nil {
		text, where := e.Rule.Explain()
		rule = fmt.Sprintf(" by %s at %s", text, where)
	}
	return strings.Join(append(all, fmt.Sprintf("%s: %v%s", e.By, e.Code, rule)), "; ")
}

func TestExplainNamesEachPart(t *testing.T) {
	bubble(t, "Explain", func(t *testing.T) {
		g := newRig(t, nil)
		g.policy.ACLNomatch = "allow"
		is := func(want string) {
			t.Helper()
			if got := g.explain(client("c"), "t"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		is("acl_nomatch: success")
		memory := says("builtin", Answer{}, nil)
		broken := says("mysql", Answer{}, errors.New("refused"))
		db := says("redis", Answer{Verdict: Deny, Rule: Because{"t 1", "acl_cmd"}}, nil)
		g.Use(inMemory(memory), behind(broken, Backend{OnError: "ignore"}), behind(db, Backend{}))
		is("builtin ignores; mysql fails (refused); redis denies; redis: not_authorized by t 1 at acl_cmd")
		g.Remove("redis")
		g.Use(behind(says("http", Answer{Verdict: Allow}, nil), Backend{}))
		is("builtin ignores; mysql fails (refused); http allows; http: success")
		super := client("s")
		super.Superuser = true
		if got := g.explain(super, "t"); got != "superuser: success" {
			t.Error(got)
		}
		g.policy.EnableACL = false
		is("enable_acl: success")
	})
}

// TestExplainLeavesNothing in caches and counts of decisions, and answers from
// no cache.
func TestExplainLeavesNothing(t *testing.T) {
	bubble(t, "nothing", func(t *testing.T) {
		g := newRig(t, nil)
		db := says("redis", Answer{Verdict: Allow}, nil)
		g.Use(behind(db, Backend{}))
		var cache Cache
		who := client("c")
		told := 0
		g.Watch(func(*Decision) { told++ })
		g.ask(who, &cache, Subscribe, "t")
		for range 3 {
			if got := g.explain(who, "t"); got != "redis allows; redis: success" {
				t.Error(got)
			}
		}
		db.called(t, 4)
		if len(cache.Entries()) != 1 || told != 1 {
			t.Errorf("the cache has %v, %d decisions are told of", cache.Entries(), told)
		}
		g.count("client.acl.allow", 1)
		g.count("client.check_acl", 1)
	})
}

// TestExplainWaitsNoLonger than the backend's Timeout, or its caller wants.
func TestExplainWaitsNoLonger(t *testing.T) {
	bubble(t, "waits", func(t *testing.T) {
		g := newRig(t, nil)
		g.Use(behind(slow("http", time.Hour, Allow), Backend{Timeout: 2 * time.Second}))
		begin := time.Now()
		if got := g.explain(client("c"), "t"); !strings.HasPrefix(got, "http fails (no answer in time") || !strings.HasSuffix(got, "http: "+mqtt.QuotaExceeded.String()) {
			t.Error(got)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		g.Remove("http")
		g.Use(behind(slow("other", time.Hour, Allow), Backend{Timeout: 20 * time.Second}))
		_, err := g.Explain(ctx, &g.policy, &Request{Client: client("c"), Topic: "t"})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
	})
}

// TestDecisionsAreTold to who watches: at once, later, from the cache, and by
// acl_nomatch.
func TestDecisionsAreTold(t *testing.T) {
	bubble(t, "told", func(t *testing.T) {
		g := newRig(t, nil)
		var told []string
		g.Watch(func(d *Decision) {
			told = append(told, fmt.Sprintf("%s %v %s: %s %v %v", d.Client.ClientID, d.Action, d.Topic, d.By, d.Code, d.Err))
		})
		var cache Cache
		who := client("c")
		g.ask(who, &cache, Publish, "none")
		g.Use(inMemory(says("file", Answer{Verdict: Deny}, nil)))
		g.ask(who, &cache, Subscribe, "denied")
		g.Remove("file")
		db := says("redis", Answer{Verdict: Allow}, nil)
		g.Use(behind(db, Backend{}))
		g.ask(who, &cache, Publish, "asked")
		g.ask(who, &cache, Publish, "asked")
		g.Watch(nil)
		g.ask(who, &cache, Publish, "unheard")
		want := "c publish none: acl_nomatch not_authorized <nil>\nc subscribe denied: file not_authorized <nil>\n" +
			"c publish asked: redis success <nil>\nc publish asked: cache success <nil>"
		if got := strings.Join(told, "\n"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}
