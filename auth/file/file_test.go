package file

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

func write(t *testing.T, path, src string) string {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "acl.conf")
	}
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func ask(t *testing.T, f *File, c *auth.Client, name string) auth.Verdict {
	t.Helper()
	p := f.Provider()
	if p.Name != "file" || !p.Last || p.Backend != nil || p.Authenticator != nil {
		t.Errorf("%+v", p)
	}
	a, err := p.Authorize(context.Background(), &auth.Request{Client: c, Action: auth.Publish, Topic: name})
	if err != nil {
		t.Error(err)
	}
	return a.Verdict
}

func TestLoadAndReload(t *testing.T) {
	path := write(t, "", "{allow, {user, \"alice\"}, publish, [\"a\"]}.\n{deny, all}.")
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := ask(t, f, alice, "a"), ask(t, f, bob, "a"); a != auth.Allow || b != auth.Deny || f.Path() != path {
		t.Error(a, b, f.Path())
	}
	write(t, path, `{allow, {user, "bob"}, publish, "a"}.`)
	if err := f.Reload(); err != nil {
		t.Error(err)
	}
	if a, b := ask(t, f, alice, "a"), ask(t, f, bob, "a"); a != auth.Ignore || b != auth.Allow {
		t.Error(a, b)
	}
}

// TestBrokenFileChangesNothing: EMQ X goes on without rules, which opens.
func TestBrokenFileChangesNothing(t *testing.T) {
	path := write(t, "", `{deny, all}.`)
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := func(why, want string) {
		t.Helper()
		if err := f.Reload(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", why, err)
		}
		if _, err := Load(path); err == nil {
			t.Errorf("%s: loaded", why)
		}
		if v := ask(t, f, alice, "a"); v != auth.Deny {
			t.Errorf("%s: %v", why, v)
		}
	}
	write(t, path, "{allow, all}.\n{alow, all}.")
	broken("one bad rule", path+":2:2: found the word alow")
	write(t, path, "")
	broken("an empty file", path+": found no rule, expected at least one such as {deny, all}")
	write(t, path, "% nothing but a remark\n")
	broken("a file of comments", path+": found no rule")
	write(t, path, strings.Repeat(" ", maxSize+1))
	broken("a huge file", path+": found more than 16 MB")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	broken("no file", "the rules of access can't be read: open "+path)
}

func TestByteOrderMarkIsNoMistake(t *testing.T) {
	if _, err := Load(write(t, "", "\ufeff{deny, all}.\r\n")); err != nil {
		t.Error(err)
	}
}

func TestRulesAreShownAndExplained(t *testing.T) {
	f, err := Load(write(t, "", "% first\n{deny, {client, \"c1\"},\n publish, [\"a\"]}  .\n\n{allow, all}. {deny, all}."))
	if err != nil {
		t.Fatal(err)
	}
	want := []Rule{{2, "{deny, {client, \"c1\"},\n publish, [\"a\"]}"}, {5, "{allow, all}"}, {5, "{deny, all}"}}
	for i, r := range f.Rules() {
		if r != want[i] {
			t.Errorf("rule %d: %+v, want %+v", i, r, want[i])
		}
	}
	explain := func(c *auth.Client, rule Rule) {
		t.Helper()
		a, err := f.Authorize(t.Context(), &auth.Request{Client: c, Action: auth.Publish, Topic: "a"})
		if err != nil || a.Rule == nil {
			t.Fatalf("%s: %+v %v", c.ClientID, a, err)
		}
		if text, where := a.Rule.Explain(); text != rule.Text || where != fmt.Sprintf("%s:%d", f.Path(), rule.Line) {
			t.Errorf("%s: %s at %s, want %+v", c.ClientID, text, where, rule)
		}
	}
	explain(alice, want[0])
	explain(bob, want[1])
}

func TestDefault(t *testing.T) {
	f := Default()
	if n := len(f.Rules()); n != 3 || f.Path() != "" {
		t.Errorf("%d rules from %q", n, f.Path())
	}
	if err := f.Reload(); err != nil {
		t.Error(err)
	}
	if v := ask(t, f, alice, "a"); v != auth.Ignore {
		t.Errorf("a publish is up to acl_nomatch, not %v", v)
	}
	r := &auth.Request{Client: alice, Action: auth.Subscribe, Topic: "$SYS/#"}
	a, err := f.Authorize(t.Context(), r)
	if err != nil || a.Rule == nil {
		t.Fatalf("$SYS/#: %+v %v", a, err)
	}
	if _, where := a.Rule.Explain(); where != "default rules:3" {
		t.Errorf("$SYS/#: %s", where)
	}
	r.Topic = "a/b"
	if a, err := f.Authorize(t.Context(), r); err != nil || a.Rule != nil {
		t.Errorf("a/b: %+v %v", a, err)
	}
}

// TestDefaultAllowsOnlySYS: a local client may read $SYS, and for the rest the
// defaults leave it to acl_nomatch.
func TestDefaultAllowsOnlySYS(t *testing.T) {
	f := Default()
	try := func(addr string, action auth.Action, topic string, want auth.Verdict) {
		t.Helper()
		r := &auth.Request{Client: &auth.Client{ClientID: "c", Peer: netip.MustParseAddrPort(addr)}, Action: action, Topic: topic}
		if a, err := f.Authorize(t.Context(), r); err != nil || a.Verdict != want {
			t.Errorf("%s %v %s: %v (%v), want %v", addr, action, topic, a.Verdict, err, want)
		}
	}
	try("127.0.0.1:9", auth.Subscribe, "$SYS/#", auth.Allow)
	try("[::1]:9", auth.Subscribe, "$SYS/brokers", auth.Allow)
	try("127.0.0.1:9", auth.Subscribe, "#", auth.Ignore)
	try("127.0.0.1:9", auth.Publish, "a", auth.Ignore)
	try("10.0.0.1:9", auth.Subscribe, "#", auth.Deny)
	try("10.0.0.1:9", auth.Subscribe, "$SYS/#", auth.Deny)
	try("10.0.0.1:9", auth.Subscribe, "a/#", auth.Ignore)
}

func TestReloadWhileOthersAsk(t *testing.T) {
	path := write(t, "", `{deny, all}.`)
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				if ask(t, f, alice, "a") != auth.Deny {
					t.Error("not denied")
				}
			}
		})
	}
	for range 50 {
		if err := f.Reload(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}
