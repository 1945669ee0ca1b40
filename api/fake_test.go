package api

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/keep/keeptest"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/backup"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// fakes are the managed parts of a node, with bans and caches that are real.
type fakes struct {
	fakeAccounts
	fakeRules
	fakeScram
	clients   *clients
	listeners fakeListeners
	control   *auth.Control
	cache     auth.Cache // of the client c1
	reloads   int
	broken    error // what a reload returns
	log       bytes.Buffer
	keeper    *keeptest.Map
}

const secretOfAdmin = "correct horse"

// fastHash takes the way of a slow one, but not its time.
const fastHash = "pbkdf2,sha256,1,20"

// newServer makes a server of fakes that listens nowhere.
func newServer(t *testing.T, change ...func(*Options)) (*Server, *fakes) {
	t.Helper()
	var access auth.Config
	access.SetDefaults()
	f := &fakes{keeper: keeptest.New(), control: auth.New(auth.Options{Config: access})}
	t.Cleanup(f.control.Close)
	f.clients = newClients(t, f.control)
	var c Config
	c.SetDefaults()
	c.HTTP.Addresses, c.DefaultSecret = nil, secretOfAdmin
	var d Dashboard
	d.SetDefaults()
	d.HTTP.Addresses = nil
	o := Options{
		Config: c, Dashboard: d, Node: "dunlin@host", Version: "1.2.3", Log: slog.New(slog.NewTextHandler(&f.log, nil)), Apps: f.keeper,
		Accounts: &f.fakeAccounts, Rules: &f.fakeRules, Bans: f.control.Bans(), Caches: f, Drainer: f.control, Scram: &f.fakeScram, Alarms: newFakeAlarms(),
		Backends: func() []Backend { return []Backend{{Name: "mysql"}, {Name: "redis", Up: true}} },
		Health: func() Health {
			return Health{[]string{"mind the gap"}, []Backend{{Name: "mysql", Since: time.Unix(1, 0), Error: "connection refused", Waiting: 2, Busy: 1}}}
		},
		Broker: f.clients.Broker, Metrics: &f.clients.metrics, MQTT: &f.listeners, Evacuation: new(fakeEvacuation),
		On:     func(name string) bool { return name == "emqx_auth_redis" || name == ruleFile },
		Traces: f.clients.traces, Zone: f.zone,
		Reread: func() error { return f.broken }, Store: fakeStore{}, Cluster: fakeCluster{},
		ReloadACL: func() error { f.reloads++; return f.broken },
		Logs:      newFakeLogs(),
		Configs:   newFakeConfigs(),
		Backup:    newKept(t, f.control), Exports: backup.Folder(t.TempDir()),
		History: newFakeHistory(),
		hash:    fastHash,
	}
	for _, change := range change {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

func (f *fakes) ACLCache(clientID string) *auth.Cache {
	if clientID == "c1" {
		return &f.cache
	}
	return nil
}

// zone is the one of the listeners, whose ACL is on.
func (f *fakes) zone(name string) (string, *broker.Zone, bool) {
	z := f.clients.zone
	z.EnableACL, z.ACLNomatch, z.MaxQoSAllowed = true, "deny", 1
	return "external", &z, name == "" || name == "external"
}

// fillCache has the cache of c1 hold that it may publish to t/1 and not
// subscribe to t/2.
func (f *fakes) fillCache(t *testing.T) {
	t.Helper()
	f.control.Use(auth.Provider{Name: "http", Authorizer: judge{}, Backend: &auth.Backend{
		Pool: 1, Timeout: time.Second, MaxWaiting: 10, OnError: "deny",
	}})
	var p auth.Policy
	p.EnableACL = true
	who := &auth.Client{ClientID: "c1", Peer: netip.MustParseAddrPort("192.0.2.1:1")}
	for _, r := range []auth.Request{{Client: who, Action: auth.Publish, Topic: "t/1"}, {Client: who, Action: auth.Subscribe, Topic: "t/2"}} {
		answered := make(chan struct{})
		f.control.AuthorizeLater(&p, &r, &f.cache, func(mqtt.ReasonCode) { close(answered) })
		<-answered
	}
}

type judge struct{}

func (judge) Authorize(_ context.Context, r *auth.Request) (auth.Answer, error) {
	if r.Action == auth.Publish {
		return auth.Answer{Verdict: auth.Allow, Rule: auth.Because{Rule: "always", Where: "somewhere:1"}}, nil
	}
	return auth.Answer{Verdict: auth.Deny}, nil
}

// someTime is when everything in the fakes was made.
var someTime = time.UnixMilli(1600000000123)

var errDisk = errors.New("the disk is full")

type fakeAccounts struct {
	all []auth.NewAccount
}

func (f *fakeAccounts) index(s auth.Subject) int {
	return slices.IndexFunc(f.all, func(a auth.NewAccount) bool { return a.Subject == s })
}

func shown(a *auth.NewAccount) auth.Account {
	return auth.Account{Subject: a.Subject, Superuser: a.Superuser, Created: someTime, Stored: "hash of " + string(a.Password)}
}

func (f *fakeAccounts) Accounts(kind auth.SubjectKind, like string, from, limit int) (some []auth.Account, total int) {
	for i := range f.all {
		if a := &f.all[i]; a.Kind == kind && strings.Contains(a.Name, like) {
			if total++; total > from && len(some) < limit {
				some = append(some, shown(a))
			}
		}
	}
	return some, total
}

func (f *fakeAccounts) Account(s auth.Subject) (auth.Account, bool) {
	i := f.index(s)
	if i < 0 {
		return auth.Account{}, false
	}
	return shown(&f.all[i]), true
}

func (f *fakeAccounts) AddAccount(_ context.Context, a auth.NewAccount) error {
	switch {
	case f.index(a.Subject) >= 0:
		return auth.ErrExists
	case a.Name == "full":
		return errDisk
	case a.Name == "panic":
		panic("a bug")
	}
	f.all = append(f.all, a)
	return nil
}

func (f *fakeAccounts) AddAccounts(ctx context.Context, all []auth.NewAccount) []error {
	errs := make([]error, len(all))
	for i, a := range all {
		errs[i] = f.AddAccount(ctx, a)
	}
	return errs
}

func (f *fakeAccounts) UpdateAccount(_ context.Context, a auth.NewAccount) error {
	i := f.index(a.Subject)
	if i < 0 {
		return auth.ErrNotFound
	}
	f.all[i].Password = a.Password
	return nil
}

func (f *fakeAccounts) DeleteAccount(s auth.Subject) error {
	i := f.index(s)
	if i < 0 {
		return auth.ErrNotFound
	}
	f.all = slices.Delete(f.all, i, i+1)
	return nil
}

type fakeRules struct {
	rules []auth.Rule
}

func (f *fakeRules) Rules(c auth.RuleFilter, from, limit int) (some []auth.Rule, total int) {
	for _, r := range f.rules {
		access := "deny"
		if r.Allow {
			access = "allow"
		}
		if r.Kind == c.Kind && strings.Contains(r.Name, c.Like) && (c.Topic == "" || c.Topic == r.Topic.String()) &&
			(c.Action == "" || c.Action == r.Action) && (c.Access == "" || c.Access == access) {
			if total++; total > from && len(some) < limit {
				some = append(some, r)
			}
		}
	}
	return some, total
}

func (f *fakeRules) RulesOf(s auth.Subject) (some []auth.Rule) {
	for _, r := range f.rules {
		if r.Subject == s {
			some = append(some, r)
		}
	}
	return some
}

func (f *fakeRules) AddRule(r auth.Rule) error {
	if r.Name == "full" {
		return auth.ErrTooMany
	}
	f.rules = append(f.rules, r)
	return nil
}

func (f *fakeRules) AddRules(all []auth.Rule) []error {
	errs := make([]error, len(all))
	for i, r := range all {
		errs[i] = f.AddRule(r)
	}
	return errs
}

func (f *fakeRules) DeleteRule(s auth.Subject, topic string) error {
	before := len(f.rules)
	f.rules = slices.DeleteFunc(f.rules, func(r auth.Rule) bool { return r.Subject == s && r.Topic.String() == topic })
	if len(f.rules) == before {
		return auth.ErrNotFound
	}
	return nil
}

type fakeScram struct {
	users map[[2]string]ScramKeys
}

func (f *fakeScram) put(mechanism, username string, password, salt []byte, iterations int) {
	if f.users == nil {
		f.users = make(map[[2]string]ScramKeys)
	}
	f.users[[2]string{mechanism, username}] = ScramKeys{password, password, salt, iterations}
}

func (f *fakeScram) Add(mechanism, username string, password, salt []byte, iterations int) error {
	if _, ok := f.Lookup(mechanism, username); ok {
		return auth.ErrExists
	}
	f.put(mechanism, username, password, salt, iterations)
	return nil
}

func (f *fakeScram) Update(mechanism, username string, password, salt []byte, iterations int) error {
	if _, ok := f.Lookup(mechanism, username); !ok {
		return auth.ErrNotFound
	}
	f.put(mechanism, username, password, salt, iterations)
	return nil
}

func (f *fakeScram) Delete(mechanism, username string) error {
	if _, ok := f.Lookup(mechanism, username); !ok {
		return auth.ErrNotFound
	}
	delete(f.users, [2]string{mechanism, username})
	return nil
}

func (f *fakeScram) Lookup(mechanism, username string) (k ScramKeys, ok bool) {
	k, ok = f.users[[2]string{mechanism, username}]
	return k, ok
}

type fakeStore struct{}

func (fakeStore) Path() string { return "data/dunlin.db" }

func (fakeStore) Usage() ([]keep.Usage, int64, error) {
	return []keep.Usage{{Name: "alarms", Records: 3, Bytes: 500}, {Name: "apps", Records: 1, Bytes: 90}}, 65536, nil
}
