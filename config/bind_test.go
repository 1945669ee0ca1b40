package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

type testCaps struct {
	MaxQoS byte  `conf:"max_qos_allowed" range:"0..2"`
	Size   Bytes `conf:"max_packet_size"`
}

type testZone struct {
	Access
	Caps     testCaps      `conf:"."`
	Idle     time.Duration `conf:"idle_timeout"`
	Inflight int           `conf:"max_inflight"`
	computed int
}

// Access is exported because embedded fields have the name of their type.
type Access struct {
	Anonymous bool `conf:"allow_anonymous"`
}

type testListener struct {
	Address Address           `conf:"."`
	Zone    string            `conf:"zone"`
	Access  map[string]string `conf:"access.$id"`
	Cert    string            `conf:"certfile"`
	Key     string            `conf:"keyfile"`
}

type testConfig struct {
	Access     `conf:"." alias:"mqtt"`
	MQTT       testCaps                `conf:"mqtt"`
	Zones      map[string]testZone     `conf:"zone.$name"`
	TCP        map[string]testListener `conf:"listener.tcp.$name"`
	Strategy   map[string]string       `conf:"broker.$group.strategy" oneof:"random sticky"`
	Default    string                  `conf:"broker.strategy" oneof:"random sticky"`
	Dist       string                  `conf:"cluster.proto_dist" alias:"node.proto_dist"`
	Cookie     string                  `conf:"node.cookie"`
	Priorities map[string]int          `conf:"priorities"`
	ignored    int
}

func (z *testZone) SetDefaults()   { z.Idle, z.Inflight = 15*time.Second, 32 }
func (c *testCaps) SetDefaults()   { c.MaxQoS, c.Size = 2, MB }
func (c *testConfig) SetDefaults() { c.Default = "random" }
func (l *testListener) Off() bool  { return l.Address.Off() }
func (c *testConfig) Inherit(in any) {
	if z, ok := in.(*testZone); ok {
		z.Caps, z.Access = c.MQTT, c.Access
	}
}

func (l *testListener) Validate() error {
	if l.Cert != "" && l.Key == "" {
		return errors.Join(Invalid("keyfile", "expected the key of certfile"), Invalid("certfile", "has no keyfile"))
	}
	return nil
}

func (c *testConfig) Validate() error {
	for _, name := range Names(c.TCP) {
		if l := c.TCP[name]; l.Zone != "" {
			if _, ok := c.Zones[l.Zone]; !ok {
				return Invalid(Key("listener", "tcp", name, "zone"), "no zone has the name %s", l.Zone)
			}
		}
	}
	if c.Default == "sticky" {
		return errors.New("too sticky")
	}
	return nil
}

func testKnown() []Known {
	return slices.Concat(
		NoEffect(Runtime, "Erlang only", `
			node.process_limit   int 1..100
			zone.$name.gc_policy counts | oneof default
		`),
		NoEffect(Later, "to come", "auth.$db.password"),
	)
}

func bindText(text string) (*testConfig, *Report, error) {
	f, err := parseText(text)
	if err != nil {
		return nil, nil, err
	}
	c := &testConfig{}
	report, err := Bind(c, f.Settings, testKnown())
	return c, report, err
}

func TestBind(t *testing.T) {
	f := func(text string, get func(c *testConfig) any, want any) {
		t.Helper()
		c, _, err := bindText(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := get(c); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	z := func(c *testConfig) testZone { return c.Zones["z"] }
	f("", func(c *testConfig) any { return c.Default }, "random")
	f("", func(c *testConfig) any { return c.MQTT }, testCaps{2, MB})
	f("", func(c *testConfig) any { return len(c.Zones) }, 0)
	f("broker.strategy = sticky\nbroker.strategy = random", func(c *testConfig) any { return c.Default }, "random")

	// Instances: one per name, with the defaults, then what Inherit copies, then their own keys.
	f("zone.z.max_inflight = 5", func(c *testConfig) any { return z(c).Inflight }, 5)
	f("zone.z.max_inflight = 5", func(c *testConfig) any { return z(c).Idle }, 15*time.Second)
	f("zone.z.max_inflight = 5\nmqtt.max_qos_allowed = 1", func(c *testConfig) any { return z(c).Caps }, testCaps{1, MB})
	f("zone.z.max_qos_allowed = 0\nmqtt.max_qos_allowed = 1", func(c *testConfig) any { return z(c).Caps }, testCaps{0, MB})
	f("zone.z.max_qos_allowed = 0", func(c *testConfig) any { return c.MQTT.MaxQoS }, byte(2))
	f("allow_anonymous = on\nzone.z.idle_timeout = 1s", func(c *testConfig) any { return z(c).Anonymous }, true)
	f("zone.z.max_inflight = 5\nzone.y.max_inflight = 6", func(c *testConfig) any { return len(c.Zones) }, 2)
	f(`zone.a\.b.max_inflight = 5`, func(c *testConfig) any { return c.Zones["a.b"].Inflight }, 5)

	// A key that is a value and a parent, and a map inside an instance.
	f("listener.tcp.a = 1883\nlistener.tcp.a.access.10 = allow all\nlistener.tcp.a.access.9 = deny all",
		func(c *testConfig) any { return Names(c.TCP["a"].Access) }, []string{"9", "10"})
	f("listener.tcp.a = 1883", func(c *testConfig) any { return c.TCP["a"].Address }, NewAddress("", 1883))
	f("listener.tcp.a = off", func(c *testConfig) any { return len(c.TCP) }, 0)
	f("listener.tcp.a = 1883\nlistener.tcp.a.zone = x\nlistener.tcp.a = off", func(c *testConfig) any { return len(c.TCP) }, 0)

	// A name in the middle of a key yields to the exact word, and the other way round.
	f("broker.g.strategy = sticky", func(c *testConfig) any { return c.Strategy }, map[string]string{"g": "sticky"})
	f("broker.strategy.strategy = sticky", func(c *testConfig) any { return c.Strategy["strategy"] }, "sticky")

	// Aliases of a field and of a group of fields.
	f("node.proto_dist = x", func(c *testConfig) any { return c.Dist }, "x")
	f("node.proto_dist = x\ncluster.proto_dist = y", func(c *testConfig) any { return c.Dist }, "y")
	f("cluster.proto_dist = y\nnode.proto_dist = x", func(c *testConfig) any { return c.Dist }, "x")
	f("mqtt.allow_anonymous = true", func(c *testConfig) any { return c.Anonymous }, true)

	f("priorities = a=1", func(c *testConfig) any { return c.Priorities }, map[string]int{"a": 1})
}

func TestBindErrors(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, _, err := bindText(text)
		if err == nil || err.Error() != strings.Join(want, "\n") {
			t.Errorf("%q: got\n%v\nwant\n%s", text, err, strings.Join(want, "\n"))
		}
	}
	f("allow_anonymos = true", "emqx.conf:1: allow_anonymos: unknown key; did you mean allow_anonymous?")
	f("zone.z.max_inflihgt = 1", "emqx.conf:1: zone.z.max_inflihgt: unknown key; did you mean zone.z.max_inflight?")
	f("zone.z.gc_plicy = 1", "emqx.conf:1: zone.z.gc_plicy: unknown key; did you mean zone.z.gc_policy?")
	f("zones.z.max_inflight = 1", "emqx.conf:1: zones.z.max_inflight: unknown key; did you mean zone.z.max_inflight?")
	f("listener.tcp = 1", "emqx.conf:1: listener.tcp: unknown key; did you mean listener.tcp.$name?")
	f("completely.different = 1", "emqx.conf:1: completely.different: unknown key")
	f("mqtt.max_qos_allowed = 3", `emqx.conf:1: mqtt.max_qos_allowed: expected a value from 0 to 2, found "3"`)
	f("broker.g.strategy = x", `emqx.conf:1: broker.g.strategy: expected one of random, sticky, found "x"`)
	f("node.process_limit = 0", `emqx.conf:1: node.process_limit: expected a value from 1 to 100, found "0"`)
	f("zone.z.gc_policy = x", `emqx.conf:1: zone.z.gc_policy: expected one of default, found "x"`)
	f("broker.strategy = sticky", "too sticky")
	f("mqtt.allow_anonymous = maybe", `emqx.conf:1: mqtt.allow_anonymous: expected true, false, on or off, found "maybe"`)

	// Validate: the key is completed and has its own origin where it was set.
	f("listener.tcp.a = 1\nlistener.tcp.a.certfile = c",
		"listener.tcp.a.keyfile: expected the key of certfile", "emqx.conf:2: listener.tcp.a.certfile: has no keyfile")
	f("listener.tcp.a = 1\nlistener.tcp.a.zone = z", "emqx.conf:2: listener.tcp.a.zone: no zone has the name z")

	// All problems at once, in the order of lines.
	f("nope = 1\nmqtt.max_packet_size = big\nlistener.tcp.a.zone = z\nlistener.tcp.a = 1",
		"emqx.conf:1: nope: unknown key",
		`emqx.conf:2: mqtt.max_packet_size: expected a size such as 4096, 64KB or 1MB, found "big"`,
		"emqx.conf:3: listener.tcp.a.zone: no zone has the name z")
}

func TestBindEmptyWords(t *testing.T) {
	for _, key := range []string{"", "zone..max_inflight", "zone.z.", "..."} {
		if _, err := Bind(&testConfig{}, []Setting{{Key: key, Value: "1"}}, nil); err == nil {
			t.Errorf("key %q was accepted", key)
		}
	}
}

func TestRemove(t *testing.T) {
	c := &testConfig{}
	_, err := Bind(c, []Setting{{Key: "node.proto_dist", Value: "x"}, {Key: "cluster.proto_dist", Remove: true}}, nil)
	if err != nil || c.Dist != "" {
		t.Errorf("got %q, %v; want the alias removed as well", c.Dist, err)
	}
}

func TestReport(t *testing.T) {
	_, report, err := bindText("node.process_limit = 7\nnode.cookie = c\nauth.x.password = p\nlistener.tcp.a.zone = z\nzone.a.max_inflight = 1")
	if err != nil {
		t.Fatal(err)
	}
	var ignored []string
	for _, x := range report.NoEffect {
		ignored = append(ignored, x.Origin.String()+" "+x.Key+"="+x.Value+" "+string(x.Kind)+": "+x.Reason)
	}
	want := []string{
		"emqx.conf:1 node.process_limit=7 runtime: Erlang only",
		"emqx.conf:3 auth.x.password=****** later: to come",
		"emqx.conf:4 listener.tcp.a.zone=z unused: listener.tcp.a has no address or is off",
	}
	if !slices.Equal(ignored, want) {
		t.Errorf("without effect: got %q, want %q", ignored, want)
	}

	var values []string
	for _, v := range report.Values {
		values = append(values, v.Key+"="+v.Value+" "+v.Origin.String())
	}
	want = []string{
		"allow_anonymous=false default",
		"broker.strategy=random default",
		"cluster.proto_dist= default",
		"mqtt.max_packet_size=1MB default",
		"mqtt.max_qos_allowed=2 default",
		"node.cookie=****** emqx.conf:2",
		"priorities=none default",
		"zone.a.allow_anonymous=false default",
		"zone.a.idle_timeout=15s default",
		"zone.a.max_inflight=1 emqx.conf:5",
		"zone.a.max_packet_size=1MB default",
		"zone.a.max_qos_allowed=2 default",
	}
	if !slices.Equal(values, want) {
		t.Errorf("values: got %q, want %q", values, want)
	}
}

func TestSecretKeys(t *testing.T) {
	for key, want := range map[string]bool{
		"node.cookie": true, "auth.mysql.password": true, "auth.jwt.secret": true, "auth.ldap.bind_password": true,
		"management.application.default_secret": true, "stomp.default_user.passcode": true,
		"opentelemetry.exporter.headers.authorization": true, "headers.x": true, "auth.http.headers": false, "alarm.webhook.url": true,
		"auth.mysql.password_hash": false, "node.name": false, "password.x": false,
	} {
		if isSecret(key) != want {
			t.Errorf("isSecret(%s) = %v, want %v", key, !want, want)
		}
	}
}

func TestPasswordsInURLs(t *testing.T) {
	for value, want := range map[string]string{
		"http://ann:right@host:80/x?a=b": "http://ann:******@host:80/x?a=b",
		"redis://:right@host":            "redis://:******@host",
		"http://host/a:b@c":              "http://host/a:b@c",
		"http://[::1]:8080/":             "http://[::1]:8080/",
		"clientid=%c,username=%u":        "clientid=%c,username=%u",
	} {
		if got := show("auth.http.auth_req.url", value); got != want {
			t.Errorf("%s is shown as %s, want %s", value, got, want)
		}
	}
}

// Mistakes of the program, not of a configuration.
func TestCompileErrors(t *testing.T) {
	f := func(dst any, known []Known, want string) {
		t.Helper()
		if _, err := Bind(dst, nil, known); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	f(&struct {
		A int `conf:"x"`
		B int `conf:"x"`
	}{}, nil, "key x is declared twice")
	f(&struct {
		A int `conf:"x" alias:"y y"`
	}{}, nil, "key y is declared twice")
	f(&struct {
		a int `conf:"x"`
	}{}, nil, "field a of struct")
	f(&testConfig{}, NoEffect(Later, "", "node.cookie"), "key node.cookie is declared twice")
	f(&testConfig{}, NoEffect(Later, "", "x number"), `unknown type "number" of the known key x`)
	f(&testConfig{}, NoEffect(Later, "", "x size 1..2"), "unknown type")
}

func TestKnownTypes(t *testing.T) {
	f := func(typ, good, bad string) {
		t.Helper()
		k := NoEffect(Later, "", "k "+typ)[0]
		if err := k.check(); err != nil {
			t.Fatal(err)
		}
		if err := k.accepts(good); err != nil {
			t.Errorf("%s %q: %v", typ, good, err)
		}
		if bad != "" && k.accepts(bad) == nil {
			t.Errorf("%s accepts %q", typ, bad)
		}
	}
	f("", "anything", "")
	f("any", "", "")
	f("int", "-5", "x")
	f("int 1..5", "5", "6")
	f("float", "0.5", "x")
	f("flag", "on", "1")
	f("size", "1MB", "1M")
	f("duration", "1s", "1")
	f("duration | int", "1", "x")
	f("percent", "80%", "80")
	f("address", "1883", "x")
	f("rate", "1,1s", "1")
	f("counts", "1|1MB", "1")
	f("list", "a,b", "")
	f("oneof a b", "b", "c")
	f("size | oneof infinity", "infinity", "none")
}

func TestNoEffectBraces(t *testing.T) {
	f := func(table string, want ...string) {
		t.Helper()
		var got []string
		for _, k := range NoEffect(Later, "", table) {
			got = append(got, k.Pattern+":"+k.Type)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", table, got, want)
		}
	}
	f(" \n\t\n")
	f("a.b", "a.b:")
	f("a  int 1..2\n b\t", "a:int 1..2", "b:")
	f("a.{b,c}.d size", "a.b.d:size", "a.c.d:size")
	f("{a,b}.{c,d}", "a.c:", "b.c:", "a.d:", "b.d:")
	f("a{,.b}", "a:", "a.b:")
	f("a.{b", "a.{b:")
}

func TestDistance(t *testing.T) {
	f := func(a, b string, limit, want int) {
		t.Helper()
		if got := distance(a, b, limit); got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", a, b, got, want)
		}
		if got := distance(b, a, limit); got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", b, a, got, want)
		}
	}
	f("", "", 9, 0)
	f("abc", "abc", 9, 0)
	f("abc", "ac", 9, 1)
	f("abc", "axc", 9, 1)
	f("abc", "acb", 9, 1)
	f("kitten", "sitting", 9, 3)
	f("a", "abcdef", 3, 4)
}
