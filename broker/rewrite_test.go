package broker

import (
	"testing"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/hook"
)

func TestRewrite(t *testing.T) {
	who := &hook.ClientInfo{ClientID: "c1", Username: "u1"}
	nameless := &hook.ClientInfo{ClientID: "c1"}
	f := func(who *hook.ClientInfo, name, want string, rules ...string) {
		t.Helper()
		table := make(map[string]string)
		for i, text := range rules {
			table[string(rune('1'+i))] = text
		}
		if got := apply(rewrites(table), who, name); got != want {
			t.Errorf("%s by %q: %s, want %s", name, rules, got, want)
		}
	}
	f(who, "x/y/1", "z/y/1", `x/# ^x/y/(.+)$ z/y/$1`)
	f(who, "x/1", "x/1", `x/# ^x/y/(.+)$ z/y/$1`)
	f(who, "x/1", "x/1", `x/# ^x/y/(.+)$ z/y/$1`, `x/+ ^x/(.+)$ second/$1`) // the first filter decides
	f(who, "x/1", "second/1", `y/# ^y/(.+)$ z/$1`, `x/+ ^x/(.+)$ second/$1`)
	f(who, "a/b", "b/a/b", `a/+ ^(.+)/(.+)$ $2/$1/$2`)
	f(who, "a", "u1/c1/a", `a ^(.+)$ %u/%c/$1`)
	f(nameless, "a", "%u/c1/a", `a ^(.+)$ %u/%c/$1`)
	f(nil, "a", "%u/%c/a", `a ^(.+)$ %u/%c/$1`)
	f(who, "a", "a2", `a ^(.+)$ $12`) // there is no group 12
	f(who, "a", "$2a$", `a ^(.+)$ $2$1$`)
	f(who, "a", "100%a%", `a ^(.+)$ 100%$1%`)
	f(who, "$1%c", "$1%c", `+ ^(.+)$ $1`, `$1%c ^(.+)$ $1`) // what is filled in stays as it is
	f(who, "abcdefghijkl", "lkja$0", `+ ^(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)$ $12$11$10$1$0`)
	f(who, "a", "$0", `a ^(.+)$ $0`)
	f(who, "a", "", `a ^(b?).*$ $1`)
}

func TestRewriteRules(t *testing.T) {
	f := func(text string, valid bool) {
		t.Helper()
		m := ModulesConfig{Rules: map[string]string{"1": text}}
		if err := m.Validate(); (err == nil) != valid {
			t.Errorf("%q: %v", text, err)
		}
	}
	f(`x/# ^x/y/(.+)$ z/y/$1`, true)
	f(`x/# ^x/y/(.+)$`, false)
	f(`x/# ^x/y/(.+$ z`, false)
	f(`x# ^x$ z`, false)
	f(``, false)
	if byNumber("9", "10") >= 0 || byNumber("10", "a") >= 0 || byNumber("b", "a") <= 0 || byNumber("a", "1") <= 0 {
		t.Error("rules are not in the order of their numbers")
	}
}

func withRewriting(o *Options) {
	o.Config.Modules.PublishRules = map[string]string{"1": `old/# ^old/(.+)$ pub/$1`, "2": `bad/+ ^bad/(.*)$ $1`}
	o.Config.Modules.SubRules = map[string]string{"1": `old/# ^old/(.+)$ sub/$1`}
	o.Config.Modules.Rules = map[string]string{"10": `both/# ^both/(.+)$ never/$1`, "9": `both/# ^both/(.+)$ new/$1`}
}

func TestRewriteInTheBroker(t *testing.T) {
	r := newRig(t, withRewriting)
	watch := r.connect("watch").subscribe("#", 0)
	p := r.connect("p")
	for _, name := range []string{"old/1", "both/1", "bad/+", "other"} {
		p.publish(name, "x", 0)
	}
	watch.wants("pub/1=x", "new/1=x", "bad/+=x", "other=x")

	f := func(filter, want string) {
		t.Helper()
		if got := r.RewriteFilter(p.info, filter); got != want {
			t.Errorf("%s: %s, want %s", filter, got, want)
		}
	}
	f("old/1", "sub/1")
	f("both/1", "new/1")
	f("both/#", "new/#")
	f("$share/g/old/1", "$share/g/sub/1")
	f("$queue/old/1", "$queue/sub/1")
	f("$exclusive/old/1", "$exclusive/sub/1")
	f("other/+", "other/+")
	f("$share/old/1", "$share/old/1")
	f("#bad", "#bad")

	off := newRig(t, withRewriting, func(o *Options) { o.Config.Modules.Rewrite = config.Flag(false) })
	if got := off.RewriteFilter(p.info, "old/1"); got != "old/1" {
		t.Errorf("module.rewrite = off: %s", got)
	}
}
