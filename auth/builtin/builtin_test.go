package builtin

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// fixture is a Builtin with what it stands on.
type fixture struct {
	*Builtin
	t               *testing.T
	options         Options
	accounts, rules *keeptest.Map
	changes         atomic.Int32
}

// start makes a Builtin with a configuration, in which hashes are fast unless
// it says otherwise.
func start(t *testing.T, text string) *fixture {
	t.Helper()
	f := &fixture{t: t, accounts: keeptest.New(), rules: keeptest.New()}
	f.options = Options{
		Config: settings(t, "auth.mnesia.password_hash = sha256\n"+text), Passwords: auth.NewPasswords(),
		Accounts: f.accounts, Rules: f.rules, Changed: func() { f.changes.Add(1) },
	}
	f.restart()
	return f
}

func settings(t *testing.T, text string) Config {
	t.Helper()
	c, err := bind(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// bind reads a configuration as a node does that nests Config below auth.
func bind(text string) (Config, error) {
	var root struct {
		Auth Config `conf:"auth"`
	}
	f, err := config.Parse(strings.NewReader(text), "test.conf")
	if err == nil {
		_, err = config.Bind(&root, f.Settings, nil)
	}
	return root.Auth, err
}

// restart is what comes after the end of the process.
func (f *fixture) restart() {
	f.t.Helper()
	b, err := New(f.t.Context(), f.options)
	if err != nil {
		f.t.Fatal(err)
	}
	f.Builtin = b
}

func client(id string) auth.Subject { return auth.Subject{Kind: auth.ByClientID, Name: id} }
func user(name string) auth.Subject { return auth.Subject{Kind: auth.ByUsername, Name: name} }
func everybody() auth.Subject       { return auth.Subject{Kind: auth.ForAll} }
func password(s string) []byte      { return []byte(s) }

func (f *fixture) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) add(s auth.Subject, pw string) {
	f.t.Helper()
	f.check(f.AddAccount(f.t.Context(), auth.NewAccount{Subject: s, Password: password(pw)}))
}

// connect is how a CONNECT ends: allow, super, ignore, refused or a code.
func (f *fixture) connect(clientID, username, pw string, want string) {
	f.t.Helper()
	r := &auth.Request{Client: &auth.Client{ClientID: clientID, Username: username}, Password: password(pw)}
	if pw == none {
		r.Password = nil
	}
	at, known := f.Builtin.accounts.AuthenticateAtOnce(r)
	a, err := f.Builtin.accounts.Authenticate(f.t.Context(), r)
	if got := outcome(a, err); got != want {
		f.t.Errorf("client %q, user %q, password %q: %s, want %s", clientID, username, pw, got, want)
	}
	if known && outcome(at, nil) != want {
		f.t.Errorf("client %q, user %q, password %q: at once %s, want %s", clientID, username, pw, outcome(at, nil), want)
	}
}

// none stands for a CONNECT without a password.
const none = "\x00"

func outcome(a auth.Answer, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case a.Verdict == auth.Ignore:
		return "ignore"
	case a.Verdict == auth.Allow && a.Superuser:
		return "super"
	case a.Verdict == auth.Allow:
		return "allow"
	case a.Code == mqtt.BadUserNameOrPassword:
		return "refused"
	}
	return a.Code.String()
}

func TestWhoMayConnect(t *testing.T) {
	f := start(t, "")
	f.add(client("c1"), "one")
	f.add(user("u1"), "two")
	f.add(client("u1"), "three")
	f.connect("c1", "", "one", "allow")
	f.connect("c1", "", "two", "refused")
	f.connect("c1", "", "", "refused")
	f.connect("c1", "", none, "refused")
	f.connect("c1", "u1", "one", "allow")
	f.connect("c1", "u1", "two", "allow")
	f.connect("c1", "u1", "three", "refused")
	f.connect("c1", "u1", none, "refused")
	f.connect("x", "u1", "two", "allow")
	f.connect("x", "u1", "one", "refused")
	f.connect("u1", "", "three", "allow")
	f.connect("u1", "", "two", "refused")
	f.connect("x", "c1", "one", "ignore")
	f.connect("x", "y", "one", "ignore")
	f.connect("x", "", none, "ignore")
	f.connect("", "", "", "ignore")
}

func TestSlowHashesAreProvenOnce(t *testing.T) {
	f := start(t, "auth.user.password_hash = pbkdf2,sha256,10,20")
	f.add(client("c"), "fast")
	f.add(user("u"), "slow")
	at := func(clientID, pw string, want string, wantKnown bool) {
		t.Helper()
		r := &auth.Request{Client: &auth.Client{ClientID: clientID, Username: "u"}, Password: password(pw)}
		a, known := f.Builtin.accounts.AuthenticateAtOnce(r)
		if known != wantKnown || known && outcome(a, nil) != want {
			t.Errorf("client %q, password %q: %s, %v, want %s, %v", clientID, pw, outcome(a, nil), known, want, wantKnown)
		}
	}
	at("x", "slow", "", false)
	at("x", "wrong", "", false)
	at("c", "fast", "allow", true) // the other can't make a difference
	f.connect("x", "u", "slow", "allow")
	at("x", "slow", "allow", true)
	at("x", "wrong", "", false)
	f.check(f.UpdateAccount(t.Context(), auth.NewAccount{Subject: user("u"), Password: password("new")}))
	at("x", "slow", "", false)
	f.connect("x", "u", "slow", "refused")
	f.check(f.SetSuperuser(user("u"), true))
	at("c", "fast", "", false) // now it could
	f.connect("c", "u", "fast", "allow")
	f.connect("x", "u", "new", "super")
	at("x", "new", "super", true)
}

func TestTheContextEndsAWait(t *testing.T) {
	f := start(t, "auth.mnesia.password_hash = pbkdf2,sha256,10,20")
	f.add(user("u"), "pw")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := &auth.Request{Client: &auth.Client{Username: "u"}, Password: password("pw")}
	if a, err := f.Builtin.accounts.Authenticate(ctx, r); !errors.Is(err, context.Canceled) || a != (auth.Answer{}) {
		t.Errorf("%v, %v", a, err)
	}
	if err := f.AddAccount(ctx, auth.NewAccount{Subject: user("v"), Password: password("pw")}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSuperusers(t *testing.T) {
	f := start(t, "")
	f.add(client("c"), "same")
	f.check(f.AddAccount(t.Context(), auth.NewAccount{Subject: user("u"), Password: password("same"), Superuser: true}))
	f.check(f.AddAccount(t.Context(), auth.NewAccount{Subject: user("v"), Password: password("other"), Superuser: true}))
	f.connect("c", "u", "same", "super") // each that fits counts
	f.connect("c", "v", "same", "allow")
	f.connect("c", "v", "other", "super")
	f.connect("x", "u", "same", "super")
	f.check(f.SetSuperuser(user("u"), false))
	f.connect("x", "u", "same", "allow")
	f.restart()
	f.connect("x", "u", "same", "allow")
	f.connect("x", "v", "other", "super")
}

func TestProviders(t *testing.T) {
	f := start(t, "")
	ps := f.Providers()
	if len(ps) != 2 || ps[0].Name != "mnesia" || ps[1].Name != "mnesia" {
		t.Fatalf("%+v", ps)
	}
	if ps[0].Authenticator == nil || ps[0].Authorizer != nil || ps[0].Backend == nil || ps[0].Backend.OnError != "deny" || ps[0].Backend.Pool < 4 {
		t.Errorf("accounts: %+v", ps[0])
	}
	if _, prompt := ps[0].Authenticator.(auth.Prompt); !prompt {
		t.Error("fast hashes would have to wait for the slow ones")
	}
	if ps[1].Authenticator != nil || ps[1].Authorizer == nil || ps[1].Backend != nil {
		t.Errorf("rules: %+v", ps[1])
	}
}

func TestWithoutAKeeper(t *testing.T) {
	f := start(t, "")
	f.options.Accounts, f.options.Rules, f.options.Changed = nil, nil, nil
	f.restart()
	f.add(user("u"), "pw")
	f.check(f.AddRule(rule1(user("u"), "a", auth.RulePub, true)))
	f.check(f.UpdateAccount(t.Context(), auth.NewAccount{Subject: user("u"), Password: password("new")}))
	f.connect("", "u", "new", "allow")
	f.check(f.DeleteAccount(user("u")))
	f.check(f.DeleteRule(user("u"), "a"))
	f.connect("", "u", "new", "ignore")
}

func TestPathOfTheBootstrapFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "not there")
	c := settings(t, "auth.mnesia.bootstrap_file = "+missing)
	_, err := New(t.Context(), Options{Config: c, Passwords: auth.NewPasswords()})
	want := "auth.mnesia.bootstrap_file: " + missing + ": no such file or directory"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
