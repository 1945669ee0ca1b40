package file

import (
	"net/netip"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

var (
	alice = &auth.Client{ClientID: "c1", Username: "alice", Peer: netip.MustParseAddrPort("10.1.2.3:5000")}
	bob   = &auth.Client{ClientID: "c2", Username: "bob", Peer: netip.MustParseAddrPort("[::ffff:10.1.2.4]:5000")}
	carol = &auth.Client{ClientID: "a/b", Username: "+", Peer: netip.MustParseAddrPort("[fe80::1%eth0]:5000")}
	none1 = &auth.Client{ClientID: "c3"} // neither user name nor address
)

func rulesOf(t *testing.T, src string) *rules {
	t.Helper()
	rs, err := parse("acl.conf", src)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// verdict is how rules decide: allow, deny or, if none does, "".
func verdict(rs *rules, c *auth.Client, a auth.Action, name string) string {
	switch r := rs.decide(&auth.Request{Client: c, Action: a, Topic: name}); {
	case r == nil:
		return ""
	case r.verdict == auth.Allow:
		return "allow"
	}
	return "deny"
}

// TestWho asks one rule about each client.
func TestWho(t *testing.T) {
	check := func(who string, included ...*auth.Client) {
		t.Helper()
		rs := rulesOf(t, `{allow, `+who+`, publish, ["t"]}.`)
		for _, c := range []*auth.Client{alice, bob, carol, none1} {
			want := ""
			for _, i := range included {
				if i == c {
					want = "allow"
				}
			}
			if got := verdict(rs, c, auth.Publish, "t"); got != want {
				t.Errorf("%s: %s gets %q, want %q", who, c.ClientID, got, want)
			}
		}
	}
	check(`all`, alice, bob, carol, none1)
	check(`{user, all}`, alice, bob, carol, none1)
	check(`{client, all}`, alice, bob, carol, none1)
	check(`{user, "alice"}`, alice)
	check(`{user, "Alice"}`)
	check(`{user, <<"alice">>}`, alice)
	check(`{user, <<"alice"/utf8>>}`, alice)
	check(`{user, "al" "ice"}`, alice)
	check(`{username, "bob"}`, bob)
	check(`{client, "c1"}`, alice)
	check(`{clientid, "a/b"}`, carol)
	check(`{user, {re, "^(al|b)"}}`, alice, bob)
	check(`{user, {re, ""}}`, alice, bob, carol)
	check(`{client, {re, "[12]$"}}`, alice, bob)
	check(`{ipaddr, "10.1.2.3"}`, alice)
	check(`{ipaddr, "10.0.0.0/8"}`, alice, bob)
	check(`{ipaddr, "10.9.9.9/8"}`, alice, bob)
	check(`{ipaddr, "0.0.0.0/0"}`, alice, bob)
	check(`{ipaddr, "::ffff:10.1.0.0/112"}`, alice, bob)
	check(`{ipaddr, "::ffff:10.1.2.4"}`, bob)
	check(`{ipaddr, "fe80::/10"}`, carol)
	check(`{ipaddr, "fe80::1"}`, carol)
	check(`{ipaddr, "::/0"}`, carol)
	check(`{ipaddrs, ["10.1.2.4", "fe80::/10"]}`, bob, carol)
	check(`{ipaddrs, []}`)
	check(`{'and', []}`, alice, bob, carol, none1)
	check(`{'or', []}`)
	check(`{'and', [{user, "alice"}, {ipaddr, "10.1.2.3"}]}`, alice)
	check(`{'and', [{ipaddr, "10.1.2.3"}, {user, "bob"}]}`)
	check(`{'and', [{user, "alice"}, {client, "c2"}]}`)
	check(`{'or', [{user, "alice"}, {client, "c2"}, {client, "c3"}]}`, alice, bob, none1)
	check(`{'or', [{user, "bob"}, {ipaddr, "fe80::1"}]}`, bob, carol)
	check(`{'and', [{'or', [{user, "alice"}, {user, "bob"}]}, {'or', [{client, "c2"}, {client, "c1"}, {client, "c3"}]}]}`, alice, bob)
	check(`{'or', [{'and', [{user, "alice"}, all]}, {'and', [{client, "c3"}]}]}`, alice, none1)
}

// TestTopics asks one rule for everybody about one topic.
func TestTopics(t *testing.T) {
	check := func(topics string, c *auth.Client, name string, covered bool) {
		t.Helper()
		rs, want := rulesOf(t, `{deny, all, subscribe, `+topics+`}.`), ""
		if covered {
			want = "deny"
		}
		if got := verdict(rs, c, auth.Subscribe, name); got != want {
			t.Errorf("%s: %s and %s gets %q, want %q", topics, c.ClientID, name, got, want)
		}
	}
	check(`["a/b"]`, alice, "a/b", true)
	check(`["a/b"]`, alice, "a/c", false)
	check(`["x", "a/#"]`, alice, "a/+/b", true)
	check(`["a/#"]`, alice, "a/#", true)
	check(`["a/+"]`, alice, "a/#", true)
	check(`["#"]`, alice, "#", true)
	check(`["#"]`, alice, "$SYS/x", false)
	check(`[]`, alice, "a", false)
	check(`"a/#"`, alice, "a/b", true)
	check(`<<"a/#">>`, alice, "a/b", true)
	check(`{eq, "#"}`, alice, "#", true)
	check(`[{eq, "#"}]`, alice, "a", false)
	check(`[{eq, <<"a/+">>}]`, alice, "a/+", true)
	check(`[{eq, "%u"}]`, alice, "alice", false)
	check(`[{eq, "%u"}]`, alice, "%u", true)
	check(`["eq a/+"]`, alice, "a/b", false)
	check(`["eq a/+"]`, alice, "a/+", true)
	check(`["d/%u/#"]`, alice, "d/alice/x", true)
	check(`["d/%u/#"]`, bob, "d/alice/x", false)
	check(`["d/%c"]`, alice, "d/c1", true)
	check(`["d/%c"]`, carol, "d/a/b", false)
	check(`["d/%u"]`, carol, "d/x", false)
	check(`["d/${username}/${clientid}"]`, alice, "d/alice/c1", true)
	check(`["d/%u", "a"]`, alice, "a", true)
	check(`["ä/\x{20ac}"]`, alice, "ä/€", true)
}

// TestMissingName: a topic with a name the client doesn't have ends the rule.
func TestMissingName(t *testing.T) {
	rs := rulesOf(t, `{allow, all, publish, ["a", "d/%u", "b"]}. {deny, all, publish, "b"}.`)
	for name, want := range map[string]string{"a": "allow", "d/%u": "", "d/": "", "b": "deny"} {
		if got := verdict(rs, none1, auth.Publish, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestActions(t *testing.T) {
	check := func(action string, publish, subscribe string) {
		t.Helper()
		rs := rulesOf(t, `{allow, all, `+action+`, ["t"]}.`)
		if p, s := verdict(rs, alice, auth.Publish, "t"), verdict(rs, alice, auth.Subscribe, "t"); p != publish || s != subscribe {
			t.Errorf("%s: publish %q, subscribe %q", action, p, s)
		}
	}
	check("publish", "allow", "")
	check("subscribe", "", "allow")
	check("pubsub", "allow", "allow")
	check("all", "allow", "allow")
}

func TestFirstRuleDecides(t *testing.T) {
	rs := rulesOf(t, `
		{deny, {client, "c1"}, publish, ["a"]}.
		{allow, {user, "alice"}, publish, ["a", "b"]}.
		{deny, all, publish, ["b", "c"]}.
		{allow, {'or', [{user, "bob"}, {client, "c2"}]}, publish, ["d"]}.
		{allow, all}.`)
	check := func(c *auth.Client, name, want string) {
		t.Helper()
		if got := verdict(rs, c, auth.Publish, name); got != want {
			t.Errorf("%s, %s: %q, want %q", c.ClientID, name, got, want)
		}
	}
	check(alice, "a", "deny")
	check(alice, "b", "allow")
	check(alice, "c", "deny")
	check(bob, "a", "allow")
	check(bob, "b", "deny")
	check(bob, "d", "allow")
	check(none1, "$SYS/x", "allow")
	if got := verdict(rs, alice, auth.Subscribe, "#"); got != "allow" {
		t.Errorf("{allow, all} and #: %q", got)
	}
}

// TestDeliveredRules are those EMQ X comes with, as they stand in its file.
func TestDeliveredRules(t *testing.T) {
	rs := rulesOf(t, `
%%--------------------------------------------------------------------
%% {allow, all} is at the end. See "docs" for {more}.
%%--------------------------------------------------------------------

{allow, {user, "dashboard"}, subscribe, ["$SYS/#"]}.

{allow, {ipaddr, "127.0.0.1"}, pubsub, ["$SYS/#", "#"]}.

{deny, all, subscribe, ["$SYS/#", {eq, "#"}]}.

{allow, all}.
`)
	local := &auth.Client{ClientID: "l", Peer: netip.MustParseAddrPort("127.0.0.1:1")}
	dashboard := &auth.Client{ClientID: "d", Username: "dashboard", Peer: alice.Peer}
	check := func(c *auth.Client, a auth.Action, name, want string) {
		t.Helper()
		if got := verdict(rs, c, a, name); got != want {
			t.Errorf("%s: %s %s: %q, want %q", c.ClientID, a, name, got, want)
		}
	}
	check(dashboard, auth.Subscribe, "$SYS/brokers", "allow")
	check(local, auth.Subscribe, "$SYS/#", "allow")
	check(local, auth.Subscribe, "#", "allow")
	check(alice, auth.Subscribe, "$SYS/brokers", "deny")
	check(alice, auth.Subscribe, "#", "deny")
	check(alice, auth.Subscribe, "a/#", "allow")
	check(alice, auth.Publish, "$SYS/x", "allow")
}
