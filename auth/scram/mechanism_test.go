package scram

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// accounts has alice and bob, the superuser, in both mechanisms.
func accounts(t *testing.T) *Accounts {
	t.Helper()
	as, err := NewAccounts(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name := range hashes {
		for _, user := range []string{"alice", "bob", "a,b=c"} {
			if err := as.Add(name, user, []byte("pencil"), nil, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := as.SetSuperuser(name, "bob", true); err != nil {
			t.Fatal(err)
		}
	}
	return as
}

// step passes one message to e and demands a code.
func step(t *testing.T, e auth.Exchange, message string, want mqtt.ReasonCode) (reply string) {
	t.Helper()
	got, code := e.Step([]byte(message))
	if code != want {
		t.Fatalf("%q gets %v and %q, want %v", message, code, got, want)
	}
	a, user := e.Answer()
	if (a.Verdict == auth.Allow) != (want == mqtt.Success) || (user != "") != (want == mqtt.Success) || a.Verdict == auth.Ignore {
		t.Fatalf("after %v the answer is %+v, %q", code, a, user)
	}
	return string(got)
}

// TestVectors are the examples of RFC 5802, clause 5, made with SHA-256: RFC
// 7677, clause 3.
func TestVectors(t *testing.T) {
	as, err := NewAccounts(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	if err := as.Add(SHA256, "user", []byte("pencil"), salt, 4096); err != nil {
		t.Fatal(err)
	}
	m := Mechanisms(as)[SHA256].(*mechanism)
	m.nonce = func() string { return "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0" }
	e := m.Begin(nil)
	if got, want := step(t, e, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", mqtt.ContinueAuthentication),
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"; got != want {
		t.Errorf("server first: %s\nwant %s", got, want)
	}
	if got, want := step(t, e, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		mqtt.Success), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="; got != want {
		t.Errorf("server final: %s\nwant %s", got, want)
	}
	if a, user := e.Answer(); user != "user" || a.Superuser {
		t.Errorf("%+v, %q", a, user)
	}
}

// client is a conversation of an independent client.
func client(t *testing.T, mechanism, user, password, authzID string) *scram.ClientConversation {
	t.Helper()
	c, err := hashes[mechanism].NewClient(user, password, authzID)
	if err != nil {
		t.Fatal(err)
	}
	return c.NewConversation()
}

// say is what the client says to a message.
func say(t *testing.T, c *scram.ClientConversation, message string) string {
	t.Helper()
	reply, err := c.Step(message)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestAClientAndTheServerProveThemselves(t *testing.T) {
	check := func(mechanism, user, authzID string, superuser bool) {
		t.Helper()
		e := Mechanisms(accounts(t))[mechanism].Begin(nil)
		c := client(t, mechanism, user, "pencil", authzID)
		first := step(t, e, say(t, c, ""), mqtt.ContinueAuthentication)
		final := step(t, e, say(t, c, first), mqtt.Success)
		say(t, c, final)
		if !c.Valid() {
			t.Error("the server has not proved itself")
		}
		if a, proved := e.Answer(); proved != user || a.Superuser != superuser {
			t.Errorf("%+v, %q", a, proved)
		}
		if reply, code := e.Step([]byte("c=biws")); code != mqtt.NotAuthorized || len(reply) != 0 {
			t.Errorf("a message too many: %v, %q", code, reply)
		}
		if a, _ := e.Answer(); a.Verdict != auth.Deny {
			t.Error("the answer stays Allow after a message too many")
		}
	}
	check(SHA256, "alice", "", false)
	check(SHA512, "alice", "", false)
	check(SHA256, "bob", "", true)
	check(SHA512, "bob", "bob", true)
	check(SHA256, "a,b=c", "", false)
}

// TestExchangeThatBeginsEmpty: the CONNECT names the mechanism and no more.
func TestExchangeThatBeginsEmpty(t *testing.T) {
	e := Mechanisms(accounts(t))[SHA256].Begin(nil)
	if got := step(t, e, "", mqtt.ContinueAuthentication); got != "" {
		t.Errorf("the invitation is %q", got)
	}
	c := client(t, SHA256, "alice", "pencil", "")
	first := step(t, e, say(t, c, ""), mqtt.ContinueAuthentication)
	step(t, e, say(t, c, first), mqtt.Success)

	e = Mechanisms(accounts(t))[SHA256].Begin(nil)
	step(t, e, "", mqtt.ContinueAuthentication)
	step(t, e, "", mqtt.NotAuthorized)
}

func TestNothingIsProvedBy(t *testing.T) {
	first := "n,,n=alice,r=abc"
	check := func(what, want string, messages ...string) {
		t.Helper()
		e := Mechanisms(accounts(t))[SHA256].Begin(nil)
		for i, m := range messages {
			code := mqtt.ContinueAuthentication
			if i == len(messages)-1 {
				code = mqtt.NotAuthorized
			}
			if got := step(t, e, m, code); code == mqtt.NotAuthorized && got != want {
				t.Errorf("%s: the server says %q, want %q", what, got, want)
			}
		}
		step(t, e, first, mqtt.NotAuthorized) // nothing helps any more
	}
	check("noise", "", "\x00\xff,,,")
	check("channel binding, which isn't offered", "e=channel-binding-not-supported", "p=tls-exporter,,n=alice,r=abc")
	check("an extension that must be understood", "", "n,,m=x,n=alice,r=abc")
	check("a name with a bad escape", "e=invalid-username-encoding", "n,,n=al=ice,r=abc")
	check("another user's rights", "e=other-error", "n,a=bob,n=alice,r=abc")
	check("a long message", "", "n,,n=alice,r="+strings.Repeat("x", maxMessage))
	check("another nonce", "e=other-error", first, "c=biws,r=abc,p=AAAA")
	check("another header", "e=channel-bindings-dont-match", first, "c=eSws,r=abc,p=AAAA")
	check("no proof", "", first, "c=biws,r=abc")
	check("an empty final message", "", first, "")
}

// TestClientThatCouldHaveBound: gs2 flag y, and no PLUS mechanism on offer.
func TestClientThatCouldHaveBound(t *testing.T) {
	made, err := scram.SHA256.NewClient("alice", "pencil", "")
	if err != nil {
		t.Fatal(err)
	}
	c := made.NewConversationAdvertisingChannelBinding()
	e := Mechanisms(accounts(t))[SHA256].Begin(nil)
	hello := say(t, c, "")
	if !strings.HasPrefix(hello, "y,") {
		t.Fatal(hello)
	}
	first := step(t, e, hello, mqtt.ContinueAuthentication)
	step(t, e, say(t, c, first), mqtt.Success)
}

// TestStrangersLookLikeUsers: a user who doesn't exist gets as far as one with
// a wrong password, to the letter.
func TestStrangersLookLikeUsers(t *testing.T) {
	as, err := NewAccounts(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"alice", "bob"} {
		if err := as.Add(SHA512, user, []byte("pencil"), []byte(strings.Repeat("salt", 30)), 5000); err != nil {
			t.Fatal(err)
		}
	}
	m := Mechanisms(as)[SHA512]
	try := func(user string) (salt, rest string) {
		t.Helper()
		e := m.Begin(nil)
		c := client(t, SHA512, user, "guess", "")
		first := step(t, e, say(t, c, ""), mqtt.ContinueAuthentication)
		refusal := step(t, e, say(t, c, first), mqtt.NotAuthorized)
		parts := strings.Split(first, ",")
		return parts[1], parts[2] + " " + refusal
	}
	_, known := try("alice")
	salt1, stranger := try("mallory")
	salt2, again := try("mallory")
	salt3, _ := try("trudy")
	if stranger != known || again != known || known != "i=5000 e=invalid-proof" {
		t.Errorf("alice: %s, mallory: %s, then %s", known, stranger, again)
	}
	if salt1 != salt2 || salt1 == salt3 || len(salt1) != len("s=")+160 {
		t.Errorf("mallory's salts: %s, %s; trudy's: %s", salt1, salt2, salt3)
	}
	if salt4, _ := func() (string, string) { m = Mechanisms(as)[SHA512]; return try("mallory") }(); salt4 == salt1 {
		t.Error("another process makes up the same salt")
	}
}

// TestAccountThatGoesMeanwhile: what counts is what the first message found.
func TestAccountThatGoesMeanwhile(t *testing.T) {
	as := accounts(t)
	e := Mechanisms(as)[SHA256].Begin(nil)
	c := client(t, SHA256, "alice", "pencil", "")
	final := say(t, c, step(t, e, say(t, c, ""), mqtt.ContinueAuthentication))
	if err := as.Delete(SHA256, "alice"); err != nil {
		t.Fatal(err)
	}
	step(t, e, final, mqtt.Success)
	e = Mechanisms(as)[SHA256].Begin(nil)
	c = client(t, SHA256, "alice", "pencil", "")
	final = say(t, c, step(t, e, say(t, c, ""), mqtt.ContinueAuthentication))
	step(t, e, final, mqtt.NotAuthorized)
}

// FuzzExchange: whatever two messages say, nobody gets in who doesn't know the
// password, and nothing panics.
func FuzzExchange(f *testing.F) {
	as, err := NewAccounts(nil, nil)
	if err == nil {
		err = as.Add(SHA256, "user", []byte("pencil"), []byte("salt"), 0)
	}
	if err != nil {
		f.Fatal(err)
	}
	m := Mechanisms(as)[SHA256].(*mechanism)
	m.nonce = func() string { return "nonce" }
	f.Fuzz(func(t *testing.T, first, final string) {
		e := m.Begin(nil)
		for _, message := range []string{first, final} {
			if _, code := e.Step([]byte(message)); code == mqtt.Success {
				t.Fatalf("%q and %q succeed", first, final)
			}
			if a, user := e.Answer(); a.Verdict != auth.Deny || user != "" {
				t.Fatalf("%+v, %q", a, user)
			}
		}
	})
}

func BenchmarkExchange(b *testing.B) {
	as, err := NewAccounts(nil, nil)
	if err == nil {
		err = as.Add(SHA256, "user", []byte("pencil"), []byte("salt"), 0)
	}
	if err != nil {
		b.Fatal(err)
	}
	c, err := scram.SHA256.NewClient("user", "pencil", "")
	if err != nil {
		b.Fatal(err)
	}
	m := Mechanisms(as)[SHA256]
	b.ReportAllocs()
	for b.Loop() {
		e, conversation := m.Begin(nil), c.NewConversation()
		code, message := mqtt.ContinueAuthentication, ""
		for code == mqtt.ContinueAuthentication {
			if message, err = conversation.Step(message); err != nil {
				b.Fatal(err)
			}
			var reply []byte
			reply, code = e.Step([]byte(message))
			message = string(reply)
		}
		if code != mqtt.Success {
			b.Fatal(code)
		}
	}
}
