package node

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/internal/testlog"
)

// changing is a node that runs, with its log.
type changing struct {
	*Node
	t    *testing.T
	log  *testlog.Log
	data string
}

func startChanging(t *testing.T, env ...string) *changing {
	t.Helper()
	c := configured(t, env...)
	log := new(testlog.Log)
	n, err := Start(c, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return &changing{n, t, log, c.Node.DataDir}
}

func (n *changing) setting(key string) api.Setting {
	n.t.Helper()
	for _, s := range n.Settings() {
		if s.Key == key {
			return s
		}
	}
	n.t.Errorf("there is no %s", key)
	return api.Setting{}
}

// set changes keys, given as key=value, and wants the error.
func (n *changing) set(want string, keys ...string) {
	n.t.Helper()
	changes := make(map[string]string)
	for _, s := range keys {
		key, value, _ := strings.Cut(s, "=")
		changes[key] = value
	}
	got := ""
	if err := n.ChangeSettings("ann", changes); err != nil {
		got = err.Error()
	}
	if got != want {
		n.t.Errorf("%v: got %q, want %q", keys, got, want)
	}
}

func (n *changing) file() string {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.data, "overrides.conf"))
	if err != nil && !os.IsNotExist(err) {
		n.t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "##") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "; ")
}

func TestChangeSettings(t *testing.T) {
	n := startChanging(t, "DUNLIN_RETAINER__MAX_RETAINED_MESSAGES=7")
	is := func(key, value, origin, where string) {
		t.Helper()
		if s := n.setting(key); s.Value != value || s.Origin != origin || !strings.HasSuffix(s.Where, where) || where == "" && s.Where != "" {
			t.Errorf("%+v, want %s from %s, %s", s, value, origin, where)
		}
	}
	is("zone.external.max_inflight", "32", "default", "")
	is("retainer.max_retained_messages", "7", "env", "DUNLIN_RETAINER__MAX_RETAINED_MESSAGES")
	n.set("", "zone.external.max_inflight=64", "retainer.max_retained_messages=8")
	is("zone.external.max_inflight", "64", "override", "overrides.conf:4")
	is("retainer.max_retained_messages", "8", "override", "overrides.conf:3")
	if s := n.setting("zone.external.max_inflight"); s.Default != "32" || !s.Live || s.Type != "int 0..65535" || s.Doc == "" {
		t.Errorf("%+v", s)
	}
	n.set("", "mqtt.allow_anonymous=false") // an older spelling
	is("allow_anonymous", "false", "override", "overrides.conf:5")
	is("zone.external.allow_anonymous", "false", "default", "") // as it inherits it
	if got, want := n.file(), "retainer.max_retained_messages = 8; zone.external.max_inflight = 64; allow_anonymous = false"; got != want {
		t.Errorf("the file has %s, want %s", got, want)
	}
	for _, want := range []string{
		"by=ann key=zone.external.max_inflight value=64 was=32", "by=ann key=zone.external.allow_anonymous value=false was=true",
	} {
		if !strings.Contains(n.log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, n.log.String())
		}
	}

	// What is refused changes nothing, also of what came with it.
	before := n.file()
	n.set("zone.external.max_inflght: unknown key; did you mean zone.external.max_inflight?", "zone.external.max_inflght=1", "zone.external.max_inflight=1")
	n.set(`zone.external.max_inflight: expected a value from 0 to 65535, found "65536"`, "zone.external.max_inflight=65536", "retainer.max_retained_messages=1")
	n.set("node.name can't change while the node runs: set it in a file or the environment, and restart", "node.name=x@y", "zone.external.max_inflight=1")
	n.set("zone.other.max_inflight: there is no listener, zone or group of that name", "zone.other.max_inflight=1")
	n.set("listener.tcp.nobody.max_connections can't change while the node runs: set it in a file or the environment, and restart", "listener.tcp.nobody.max_connections=1")
	n.set("built-in default: os_mon.cpu_low_watermark: expected at most os_mon.cpu_high_watermark = 50%, found 60%", "os_mon.cpu_high_watermark=50%")
	n.set("log.level: expected one of debug, info, notice, warning, error, critical, alert, emergency, all, found \"loud\"", "log.level=loud")
	n.set("acl_nomatch: $(another.key) can be written in a file only", "acl_nomatch=$(auth.mysql.password)") // else the error tells it
	n.set("zone.external.mountpoint: expected a value of one line without blanks around it", "zone.external.mountpoint=a\nnode.name = x@y")
	is("zone.external.max_inflight", "64", "override", "overrides.conf:4")
	if n.file() != before {
		t.Errorf("the file was changed: %s", n.file())
	}

	reset := func(key, want string) {
		t.Helper()
		got := ""
		if err := n.ResetSetting("bob", key); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("reset %s: got %q, want %q", key, got, want)
		}
	}
	reset("retainer.max_retained_messages", "")
	is("retainer.max_retained_messages", "7", "env", "DUNLIN_RETAINER__MAX_RETAINED_MESSAGES")
	reset("retainer.max_retained_messages", "retainer.max_retained_messages has no override")
	reset("node.name", "node.name has no override")
	if got, want := n.file(), "zone.external.max_inflight = 64; allow_anonymous = false"; got != want {
		t.Errorf("the file has %s, want %s", got, want)
	}
}

// TestOverridesHoldOverARestart, and those that are wrong don't stop it.
func TestOverridesHoldOverARestart(t *testing.T) {
	data := t.TempDir()
	load := func(overrides string) (*Config, []string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(data, "overrides.conf"), []byte(overrides), 0o600); err != nil {
			t.Fatal(err)
		}
		c, report, err := LoadConfig("", []string{"DUNLIN_NODE__DATA_DIR=" + data})
		if err != nil {
			t.Fatal(err)
		}
		var refused []string
		for _, why := range report.Refused {
			refused = append(refused, strings.ReplaceAll(why.Error(), data+string(filepath.Separator), ""))
		}
		return c, refused
	}
	f := func(overrides string, inflight int, want ...string) {
		t.Helper()
		c, refused := load(overrides)
		if got := c.Zone("external").Session.MaxInflight; got != inflight || !slices.Equal(refused, want) {
			t.Errorf("%q: max_inflight %d, refused %q, want %d, %q", overrides, got, refused, inflight, want)
		}
	}
	f("zone.external.max_inflight = 5\n", 5)
	f("zone.external.max_inflight = lots\n", 32, `overrides.conf:1: zone.external.max_inflight: expected a whole number from 0 to 65535, found "lots"; it is left out`)
	f("zone.external.max_inflight = 5\nnode.data_dir = elsewhere\n", 5, "overrides.conf:2: node.data_dir is left out: the overrides are in it")
	f("nonsense\nzone.external.max_inflight = 5\n", 5, "overrides.conf:1: expected `key = value`, found \"nonsense\"")
	f("no.such.key = 1\nzone.external.max_inflight = 5\n", 5, "overrides.conf:1: no.such.key: unknown key; it is left out")

	c, _ := load("no.such.key = 1\n")
	c.Listener, c.Management.HTTP.Addresses, c.Dashboard.HTTP.Addresses = Config{}.Listener, nil, nil
	n, err := Start(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	warned := func() bool {
		return slices.ContainsFunc(n.Warnings(), func(w string) bool { return strings.HasSuffix(w, "no.such.key: unknown key; it is left out") })
	}
	if !warned() {
		t.Errorf("nobody is told: %q", n.Warnings())
	}
	if err := n.ChangeSettings("ann", map[string]string{"log.level": "error"}); err != nil || !warned() {
		t.Errorf("after a change: %v, %q", err, n.Warnings())
	}
}

// TestLiveKeysAreExplained: the operator who can change a key is told what it
// does, and each pattern is of keys that there are.
func TestLiveKeysAreExplained(t *testing.T) {
	n := startChanging(t, "DUNLIN_BROKER__G__SHARED_SUBSCRIPTION_STRATEGY=random")
	used := make(map[string]bool)
	for _, s := range n.Settings() {
		if !s.Live {
			continue
		}
		if s.Doc == "" {
			t.Errorf("%s is not explained in default.conf", s.Key)
		}
		if s.Secret {
			t.Errorf("%s is a secret, which must not be kept in clear", s.Key)
		}
		for _, taker := range n.takers() {
			for pattern := range strings.FieldsSeq(taker.keys) {
				one := taker
				one.keys = pattern
				used[pattern] = used[pattern] || one.takes(s.Key)
			}
		}
	}
	for pattern, matches := range maps.All(used) {
		if !matches {
			t.Errorf("no key is %s", pattern)
		}
	}
}

func TestFits(t *testing.T) {
	f := func(keys, key string, want bool) {
		t.Helper()
		if one := (taker{keys: keys}); one.takes(key) != want {
			t.Errorf("%s takes %s: %v", keys, key, !want)
		}
	}
	f("zone.$name.*", "zone.external.max_inflight", true)
	f("zone.$name.*", "zone.external.quota.conn_messages_routing", true)
	f("zone.$name.*", `zone.a\.b.max_inflight`, true)
	f("zone.$name.*", "zone.external", false)
	f("a.b c", "c", true)
	f("a.b c", "a", false)
	f("a.b c", "a.b.c", false)
	f("broker.$group.strategy", "broker.g.strategy", true)
	f("broker.$group.strategy", "broker.strategy", false)
}
