package clienttest

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// backend is one who knows users and what they may do, reached in one way.
type backend struct {
	way      string          // "" or how it is reached: TLS
	provider string          // what the configuration and the log call it
	settings []string        // of a broker that asks it
	secrets  []string        // what stands in settings and must not be in a log
	refusal  mqtt.ReasonCode // of a wrong password
	own      bool            // the broker itself knows, and asks nobody
	alike    []string        // other spellings of ann, as the backend compares texts

	// users brings the broker what it has to know itself; nil: nothing.
	users func(t testing.TB, s *scene)
	// grant gives a user one more right.
	grant func(t testing.TB, s *scene, user string, r right)
	// password is what a user gives; wrong is not it, but looks like it.
	password, wrong func(user string) string

	server server // nil: there is nothing to kill

	// orphan ends a server that another one replaces; nil: there is no other.
	orphan func(t testing.TB)

	// Settings that are wrong in one thing: the broker's own login, the place
	// of the users, the authority that has signed the certificate.
	badLogin, badPlace, badAuthority []string
}

// server is what can fail.
type server interface {
	Kill()
	Start()
	Pause()
	Resume()
}

// account is a user that every backend knows.
type account struct {
	name, password string
	super          bool
	rights         []right
}

// right lets somebody do one thing.
type right struct {
	action string // pub, sub, or pubsub for both
	topic  string
}

// number is the action as SQL tables, Redis and HTTP services have it.
func (r right) number() string {
	return map[string]string{"sub": "1", "pub": "2", "pubsub": "3"}[r.action]
}

// accounts are what backends are filled with. The passwords have all that
// somebody may forget to quote.
var accounts = []account{
	{name: "ann", password: `right & 'päss" wörd\1%u`, rights: []right{{"pub", "pub/+"}, {"sub", "sub/#"}, {"pubsub", "own/%u/%c"}}},
	{name: "bob", password: "bob's own"},
	{name: "root", password: "roots & branches", super: true},
}

func rightPassword(user string) string {
	i := slices.IndexFunc(accounts, func(a account) bool { return a.name == user })
	return accounts[i].password
}

func wrongPassword(string) string { return "wrong guess" }

// TestBackends is the same list of scenarios with everybody who can be asked
// about clients: the broker is a process, and so are the servers.
func TestBackends(t *testing.T) {
	t.Parallel()
	// The reasons why a backend has no such thing.
	const (
		noServer    = "the broker itself knows, nobody is asked"
		noSuperuser = "it knows no superusers, as in EMQ X"
	)
	for _, row := range []struct {
		name   string
		open   func(testing.TB) []*backend
		cannot map[string]string // scenarios, and why not
	}{
		{"built-in", builtInBackend, map[string]string{
			"killed": noServer, "stalled": noServer, "wrong login": noServer, "nothing there": noServer, "another authority": noServer}},
		{"JWT", jwtBackend, map[string]string{
			"killed": noServer, "stalled": noServer, "wrong login": noServer, "nothing there": noServer, "another authority": noServer,
			"superuser": noSuperuser, "cached rights": "the rights stand in the token"}},
		{"HTTP", httpBackends, map[string]string{
			"wrong login": "a service that refuses us has answered"}},
		{"MySQL 8", mySQL8Backends, nil},
		{"MariaDB", mariaDBBackends, nil},
		{"PostgreSQL", postgresBackends, nil},
		{"Redis", redisBackends, nil},
		{"Redis sentinel", sentinelBackends, nil},
		{"Redis cluster", clusterBackends, nil},
		{"MongoDB", mongoBackends, map[string]string{"nothing there": "a missing collection is an empty one"}},
		{"LDAP", ldapBackends, map[string]string{"superuser": noSuperuser, "nothing there": "a user in a missing branch is a missing user"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for _, b := range row.open(t) {
				b.everything(t, row.cannot)
			}
		})
	}
}

// everything runs the scenarios, the last of which break the server.
func (b *backend) everything(t *testing.T, cannot map[string]string) {
	s := b.broker(t)
	undone := maps.Clone(cannot)
	one := func(name string, run func(*testing.T)) {
		t.Run(strings.TrimSpace(b.way+" "+name), func(t *testing.T) {
			if why, ok := cannot[name]; ok {
				delete(undone, name)
				t.Skip(why)
			}
			run(t)
		})
	}
	for _, scenario := range []struct {
		name string
		run  func(*testing.T, *scene)
	}{
		{"passwords", passwords}, {"strangers", strangers}, {"no name", nameless}, {"superuser", superuser},
		{"publish", publishing}, {"subscribe", subscribing}, {"names in topics", namesInTopics}, {"wills", wills},
		{"cached rights", cachedRights}, {"evil names", evilNames}, {"all at once", allAtOnce},
	} {
		one(scenario.name, func(t *testing.T) { scenario.run(t, s) })
	}
	one("wrong login", func(t *testing.T) {
		b.misconfigured(t, b.badLogin, "(?i)(denied|authentication failed|WRONGPASS|invalid credentials)")
	})
	one("nothing there", func(t *testing.T) { b.misconfigured(t, b.badPlace, "(nowhere|WRONGTYPE|status 404)") })
	if b.badAuthority != nil || cannot["another authority"] != "" {
		one("another authority", func(t *testing.T) { b.misconfigured(t, b.badAuthority, "signed by unknown authority") })
	}
	one("stalled", func(t *testing.T) { b.broker(t, b.impatient()).outlives(t, b.server.Pause, b.server.Resume) })
	one("killed", func(t *testing.T) { b.broker(t, b.impatient()).outlives(t, b.server.Kill, b.server.Start) })
	if b.orphan != nil {
		one("succession", func(t *testing.T) { b.broker(t, b.impatient()).succeeds(t) })
	}
	for name := range undone {
		t.Errorf("there is no scenario %q, which this backend cannot have", name)
	}
}

// scene is a backend and a broker that asks it.
type scene struct {
	*backend
	*process
	clients int
}

// The listeners of a scene: one for users alone, one that also lets in those
// whom nobody knows, and one that asks nobody.
const (
	closed   listener = "tcp external"
	ajar     listener = "tcp open"
	internal listener = "tcp internal"
)

// broker starts one. At its end nothing secret may be in its log.
func (b *backend) broker(t testing.TB, more ...string) *scene {
	t.Helper()
	settings := []string{
		"allow_anonymous=false", "acl_nomatch=deny", "loaded_modules=none", "log.level=debug", "zone.external.enable_acl=on",
		"listener.tcp.open=127.0.0.1:0", "zone.open.allow_anonymous=true", "zone.open.enable_acl=on",
		"listener.tcp.internal=127.0.0.1:0", "zone.internal.allow_anonymous=true", "zone.internal.bypass_auth_plugins=true", "zone.internal.enable_acl=off",
	}
	s := &scene{backend: b, process: start(t, "tcp", slices.Concat(settings, b.settings, more)...)}
	t.Cleanup(func() { s.keepsSecrets(t) })
	if b.users != nil {
		b.users(t, s)
	}
	return s
}

func (s *scene) keepsSecrets(t testing.TB) {
	log := s.output()
	for _, a := range accounts {
		for _, secret := range append(s.secrets, s.password(a.name), s.wrong(a.name)) {
			if strings.Contains(log, secret) || strings.Contains(log, fmt.Sprintf("%q", secret)) {
				t.Errorf("the log has the secret %q", secret)
			}
		}
	}
}

// login gives a name and a password, none where it is empty.
func login(name, password string) func(*mqtt.Connect) {
	return func(k *mqtt.Connect) {
		if name != "" {
			k.Username = &name
		}
		if password != "" {
			k.Password = []byte(password)
		}
	}
}

// fresh is a client id that nobody had, so that no answer about it is kept.
func (s *scene) fresh() string {
	s.clients++
	return fmt.Sprint("c", s.clients)
}

// try connects and returns what CONNECT was answered with.
func (s *scene) try(t testing.TB, at listener, v mqtt.Version, change ...func(*mqtt.Connect)) (*wire, mqtt.ReasonCode) {
	t.Helper()
	w := open(t, s.addr[at])
	return w, w.connect(t, s.fresh(), append(change, version(v))...).Code
}

// as connects a user who must get in.
func (s *scene) as(t testing.TB, v mqtt.Version, name string, change ...func(*mqtt.Connect)) *wire {
	t.Helper()
	w, code := s.try(t, closed, v, append(change, login(name, s.password(name)))...)
	if code != mqtt.Success {
		t.Fatalf("CONNECT of %s, version %d, was answered with %v", name, v, code)
	}
	return w
}

// put publishes at a QoS and returns what answered it, Success at QoS 0.
func (w *wire) put(t testing.TB, qos mqtt.QoS, topic, payload string) mqtt.ReasonCode {
	t.Helper()
	k := &mqtt.Publish{QoS: qos, Topic: topic, Payload: []byte(payload)}
	if qos == 0 {
		w.send(t, k)
		return mqtt.Success
	}
	k.PacketID = w.id()
	w.send(t, k)
	ack := expect[*mqtt.Ack](t, w)
	code := ack.Code
	if want := []mqtt.Type{mqtt.TypePuback, mqtt.TypePubrec}[qos-1]; ack.Kind != want || ack.PacketID != k.PacketID {
		t.Fatalf("PUBLISH %d at QoS %d was answered with %v", k.PacketID, qos, ack)
	}
	if qos == 2 && !code.Failed() {
		w.send(t, &mqtt.Ack{Kind: mqtt.TypePubrel, PacketID: k.PacketID})
		expect[*mqtt.Ack](t, w)
	}
	if code == mqtt.NoMatchingSubscribers {
		return mqtt.Success
	}
	return code
}

// asks subscribes at QoS 0 to all filters at once and returns the answers.
func (w *wire) asks(t testing.TB, filters ...string) []mqtt.ReasonCode {
	t.Helper()
	k := &mqtt.Subscribe{PacketID: w.id()}
	for _, f := range filters {
		k.Filters = append(k.Filters, mqtt.SubscribeFilter{Filter: f})
	}
	w.send(t, k)
	return slices.Clone(expect[*mqtt.Suback](t, w).Codes)
}

// sees connects a client that asks nobody and subscribes.
func (s *scene) sees(t testing.TB, filters ...string) *wire {
	t.Helper()
	w := connect(t, s.addr[internal], s.fresh())
	w.subscribe(t, 0, filters...)
	return w
}

// complaints are the lines of the log that warn about the backend.
func (s *scene) complaints() []string {
	about := regexp.MustCompile(`(?m)^.*level=(?:WARN|warning|ERROR|error).*\bprovider=` + s.provider + `\b.*$`)
	return about.FindAllString(s.output(), -1)
}

// forgets has the broker forget what was said about topics, as an operator would.
func (s *scene) forgets(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, "ctl", "--data-dir", s.dir, "acl", "cache-clean", "all")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
}

// eventually asks until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !holds(); time.Sleep(10 * tickSoon) {
		if time.Now().After(until) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}
