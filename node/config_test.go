package node

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/server"
)

// load reads a file with the given text, "" for none, under an environment.
func load(t *testing.T, text string, env ...string) (*Config, *config.Report, error) {
	t.Helper()
	file := ""
	if text != "" {
		file = filepath.Join(t.TempDir(), "emqx.conf")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return LoadConfig(file, env)
}

func mustLoad(t *testing.T, text string, env ...string) *Config {
	t.Helper()
	c, _, err := load(t, text, env...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// describe lists listeners as `kind.name=address/zone`.
func describe(c *Config) string {
	var out []string
	for _, l := range c.Listeners() {
		out = append(out, l.Kind+"."+l.Name+"="+l.Address.String()+"/"+c.ZoneOf(&l))
	}
	return strings.Join(out, " ")
}

const defaultListeners = "tcp.external=127.0.0.1:1883/external tcp.internal=127.0.0.1:11883/internal " +
	"ssl.external=127.0.0.1:8883/external ws.external=127.0.0.1:8083/external wss.external=127.0.0.1:8084/external"

func TestDefaults(t *testing.T) {
	c, report, err := LoadConfig("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(c); got != defaultListeners {
		t.Errorf("listeners: got %s", got)
	}
	if len(report.NoEffect)+len(report.Unknown) != 0 {
		t.Errorf("the defaults have settings without effect: %+v", report.NoEffect)
	}
	f := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	z := c.Zone("external")
	f("allow_anonymous", z.AllowAnonymous, auth.AnonymousAllowed)
	f("acl_nomatch", z.ACLNomatch, "allow")
	f("enable_acl", z.EnableACL, true)
	f("max_inflight", z.Session.MaxInflight, 32)
	f("mqueue_store_qos0", z.Session.MqueueStoreQoS0, false)
	f("session_expiry_interval", z.SessionExpiryInterval, 2*time.Hour)
	f("internal max_inflight", c.Zone("internal").Session.MaxInflight, 128)
	f("node.name", c.Node.Name, "dunlin@127.0.0.1")
	f("node.data_dir", c.Node.DataDir, "data")
	f("log.to", c.Log.To, "console")
}

// What an empty file leaves: the values of EMQ X's schema but for the differences that are meant.
func TestSchemaDefaults(t *testing.T) {
	c := mustLoad(t, "# nothing\n")
	z := c.Zone("")
	f := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	f("zones", len(c.Zones), 0)
	f("allow_anonymous", z.AllowAnonymous, auth.AnonymousRefused)
	f("acl_nomatch", z.ACLNomatch, "deny")
	f("acl_deny_action", z.ACLDenyAction, "ignore")
	f("enable_acl", z.EnableACL, false)
	f("idle_timeout", z.IdleTimeout, 15*time.Second)
	f("max_packet_size", z.MaxPacketSize, config.MB)
	f("max_clientid_len", z.MaxClientIDLen, 65535)
	f("max_topic_levels", z.MaxTopicLevels, 128)
	f("max_qos_allowed", z.MaxQoSAllowed, byte(2))
	f("max_topic_alias", z.MaxTopicAlias, uint16(65535))
	f("retain_available", z.RetainAvailable, true)
	f("ignore_loop_deliver", z.IgnoreLoopDeliver, false)
	f("keepalive_backoff", z.KeepaliveBackoff, 0.75)
	f("retry_interval", z.Session.RetryInterval, 30*time.Second)
	f("max_awaiting_rel", z.Session.MaxAwaitingRel, 100)
	f("await_rel_timeout", z.Session.AwaitRelTimeout, 5*time.Minute)
	f("max_mqueue_len", z.Session.MaxMqueueLen, 1000)
	f("mqueue_default_priority", z.Session.MqueueDefaultPriority, "lowest")
	f("broker.sys_interval", c.Broker.Broker.SysInterval, time.Minute)
	f("broker.shared_subscription_strategy", c.Broker.Broker.Strategy, "round_robin")
	f("node.max_clients", c.Node.MaxClients, 1024000)
	f("log.level", c.Log.Level, "warning")
	f("retainer.max_payload_size", c.Retainer.MaxPayload, config.MB)
	l := c.Listeners()[0]
	f("max_connections", l.MaxConnections, 1024000)
	f("max_conn_rate", l.MaxConnRate, 0)
	f("listeners", describe(c), strings.NewReplacer("/external", "/", "/internal", "/").Replace(defaultListeners))
}

func TestZones(t *testing.T) {
	f := func(text string, get func(c *Config) any, want any) {
		t.Helper()
		if got := get(mustLoad(t, text)); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	z := func(c *Config) broker.Zone { return c.Zone("z") }
	f("zone.z.max_qos_allowed = 1", func(c *Config) any { return z(c).MaxQoSAllowed }, byte(1))
	f("mqtt.max_qos_allowed = 1", func(c *Config) any { return z(c).MaxQoSAllowed }, byte(1))
	f("mqtt.max_qos_allowed = 1\nzone.z.enable_acl = on", func(c *Config) any { return z(c).MaxQoSAllowed }, byte(1))
	f("zone.z.max_qos_allowed = 0\nmqtt.max_qos_allowed = 1", func(c *Config) any { return z(c).MaxQoSAllowed }, byte(0))
	f("allow_anonymous = true\nzone.z.enable_acl = on", func(c *Config) any { return z(c).AllowAnonymous }, auth.AnonymousAllowed)
	f("mqtt.allow_anonymous = true", func(c *Config) any { return z(c).AllowAnonymous }, auth.AnonymousAllowed)
	f("mqtt.acl_nomatch = allow\nzone.z.enable_acl = on", func(c *Config) any { return z(c).ACLNomatch }, "allow")
	f("acl_deny_action = disconnect", func(c *Config) any { return c.Zone("none").ACLDenyAction }, "disconnect")
	f("zone.z.max_inflight = 7", func(c *Config) any { return z(c).Session.MaxInflight }, 7)
	f("zone.z.mqueue_priorities = a=7", func(c *Config) any { return z(c).Session.MqueuePriorities["a"] }, 7)
	f("zone.z.publish_limit = 10,1m", func(c *Config) any { return z(c).PublishLimit.Window }, time.Minute)
	f("zone.external.max_inflight = 7", func(c *Config) any { return c.ZoneOf(&c.Listeners()[0]) }, "external")
	f("listener.tcp.a = 1\nlistener.tcp.a.zone = z\nzone.z.max_inflight = 7\nzone.a.max_inflight = 8",
		func(c *Config) any { return describe(c) }, "tcp.a=:1/z")
}

func TestListenersByEnvironment(t *testing.T) {
	f := func(env, want string) {
		t.Helper()
		if got := describe(mustLoad(t, "", strings.Fields(env)...)); got != want {
			t.Errorf("%s: got %s, want %s", env, got, want)
		}
	}
	f("", defaultListeners)
	f("DUNLIN_LISTENER__TCP__EXTERNAL=127.0.0.1:2883", "tcp.external=127.0.0.1:2883/external")
	f("EMQX_TCP_PORT=2883", "tcp.external=:2883/external")
	f("DUNLIN_LISTENER__QUIC__Q=127.0.0.1:14567", "quic.q=127.0.0.1:14567/")
	f("DUNLIN_LISTENER__TCP__EXTERNAL__MAX_CONNECTIONS=5", defaultListeners)
	f("DUNLIN_LISTENER__TCP__INTERNAL=off DUNLIN_LISTENER__SSL__EXTERNAL=off DUNLIN_LISTENER__WS__EXTERNAL=off DUNLIN_LISTENER__WSS__EXTERNAL=off",
		"tcp.external=127.0.0.1:1883/external")
	c := mustLoad(t, "", "DUNLIN_LISTENER__TCP__EXTERNAL__MAX_CONNECTIONS=5", "DUNLIN_ALLOW_ANONYMOUS=false", "DUNLIN_NODE__DATA_DIR=/var/lib/dunlin")
	if n := c.Listeners()[0].MaxConnections; n != 5 {
		t.Errorf("max_connections is %d", n)
	}
	if c.Zone("external").AllowAnonymous != auth.AnonymousRefused || c.Node.DataDir != "/var/lib/dunlin" {
		t.Errorf("got allow_anonymous %s and data_dir %s", c.Zone("external").AllowAnonymous, c.Node.DataDir)
	}
}

func TestConfigErrors(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, _, err := load(t, text)
		if err == nil {
			t.Errorf("%q: no error", text)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: got\n%v\nwithout %q", text, err, w)
			}
		}
	}
	f("zone.external.max_inflght = 64", "emqx.conf:1: zone.external.max_inflght: unknown key; did you mean zone.external.max_inflight?")
	f("listener.tcp.external.keyfile = x", "emqx.conf:1: listener.tcp.external.keyfile: unknown key")
	f("listener.tcp.a = 1883\nlistener.tcp.b = 127.0.0.1:1883", "emqx.conf:2: listener.tcp.b: the address 127.0.0.1:1883 is also that of listener.tcp.a (:1883)")
	f("listener.tcp.a = 1\nlistener.tcp.a.zone = z", "emqx.conf:2: listener.tcp.a.zone: expected the name of a zone, but no zone.z.* is set")
	f("listener.ssl.a = 1\nlistener.ssl.a.certfile = c", "emqx.conf:2: listener.ssl.a.certfile: needs a keyfile as well")
	f("listener.wss.a = 1\nlistener.wss.a.keyfile = k", "emqx.conf:2: listener.wss.a.keyfile: needs a certfile as well")
	f("listener.ssl.a = 1\nlistener.ssl.a.verify = verify_peer", "emqx.conf:2: listener.ssl.a.verify: verify_peer needs a cacertfile")
	f("listener.tcp.a = 1\nlistener.tcp.a.access.1 = allow nobody", "listener.tcp.a.access.1: expected allow or deny, then all or a network")
	f("node.name = dunlin", `emqx.conf:1: node.name: expected name@host, as it is part of topics, found "dunlin"`)
	f("module.rewrite.rule.1 = x", "module.rewrite.rule.1: ")
	f("module.rewrite.rule.1 = x ( y", "module.rewrite.rule.1: ")
	f("broker.shared_subscription_strategy = fastest", "expected one of random, round_robin")
	f("zone.a.max_inflight = 70000\nzone.b.keepalive_backoff = 0.1", "zone.a.max_inflight: expected a value from 0 to 65535", "zone.b.keepalive_backoff: expected at least 0.5")
	f("zone.a.allow_anonymous = maybe", "expected true, false or false_quick_deny")
}

func TestCollide(t *testing.T) {
	f := func(a, b string, want bool) {
		t.Helper()
		var x, y config.Address
		if x.UnmarshalText([]byte(a)) != nil || y.UnmarshalText([]byte(b)) != nil {
			t.Fatal(a, b)
		}
		if collide(x, y) != want || collide(y, x) != want {
			t.Errorf("%s and %s: got %v, want %v", a, b, !want, want)
		}
	}
	f("1883", "1883", true)
	f("1883", "1884", false)
	f("127.0.0.1:1883", "127.0.0.1:1883", true)
	f("127.0.0.1:1883", "127.0.0.2:1883", false)
	f("127.0.0.1:1883", "1883", true)
	f("127.0.0.1:1883", "0.0.0.0:1883", true)
	f("[::1]:1883", "0.0.0.0:1883", false)
	f("[::1]:1883", "[::]:1883", true)
	f("0.0.0.0:1883", "[::]:1883", true)
	f("localhost:1883", "0.0.0.0:1883", true)
	f("127.0.0.1:0", "127.0.0.1:0", false)
}

// QUIC is UDP: its ports are others.
func TestQUICHasItsOwnPorts(t *testing.T) {
	if got := describe(mustLoad(t, "listener.tcp.a = 1\nlistener.quic.a = 1")); got != "tcp.a=:1/ quic.a=:1/" {
		t.Errorf("got %s", got)
	}
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "etc", "emqx.conf")
	text := `
		node.data_dir = data
		log.dir = /var/log/emqx
		listener.ssl.a = 1
		listener.ssl.a.certfile = etc/certs/cert.pem
		listener.ssl.a.keyfile = /key.pem
		listener.ssl.a.crl_cache_urls = crl.pem, http://localhost/crl.pem
		listener.ssl.a.sni.example\.com.certfile = c.pem
		listener.ssl.a.sni.example\.com.keyfile = k.pem
	`
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, _, err := LoadConfig(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	tls := c.Listeners()[0].TLS
	got := []string{c.Node.DataDir, c.Log.Dir, tls.CertFile, tls.KeyFile, tls.CACertFile, tls.CRLURLs[0], tls.CRLURLs[1], tls.SNI["example.com"].CertFile}
	want := []string{dir + "/data", "/var/log/emqx", dir + "/etc/certs/cert.pem", "/key.pem", "", dir + "/crl.pem", "http://localhost/crl.pem", dir + "/c.pem"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOldTLSIsReported(t *testing.T) {
	_, report, err := load(t, "listener.ssl.a = 1\nlistener.ssl.a.tls_versions = tlsv1.2,tlsv1.1")
	if err != nil || len(report.NoEffect) != 1 || !strings.Contains(report.NoEffect[0].Reason, "only TLS 1.2 and 1.3") || report.NoEffect[0].Origin.Line != 2 {
		t.Errorf("got %+v, %v", report.NoEffect, err)
	}
	if _, _, err := load(t, "listener.ssl.a = 1\nlistener.ssl.a.tls_versions = tlsv1.1"); err == nil {
		t.Error("a listener that speaks no version was accepted")
	}
}

// samples are directories as EMQ X's packages bring them.
var samples = []struct{ dir, listeners string }{
	{"emqx-3.2", "tcp.external=0.0.0.0:1883/external tcp.internal=127.0.0.1:11883/internal ssl.external=:8883/external ws.external=:8083/external wss.external=:8084/external"},
	{"emqx-4.3", "tcp.external=0.0.0.0:1883/external tcp.internal=127.0.0.1:11883/internal ssl.external=:8883/external ws.external=:8083/external wss.external=:8084/external"},
	{"emqx-4.2-enterprise", "tcp.external=0.0.0.0:1883/external"},
}

func TestSamplesStart(t *testing.T) {
	for _, s := range samples {
		c, report, err := LoadConfig(filepath.Join("testdata", s.dir, "etc", "emqx.conf"), nil)
		if err != nil {
			t.Errorf("%s: %v", s.dir, err)
			continue
		}
		if got := describe(c); got != s.listeners {
			t.Errorf("%s: listeners %s", s.dir, got)
		}
		for _, x := range report.NoEffect {
			if x.Origin.Line == 0 || x.Reason == "" {
				t.Errorf("%s: %+v lacks its place or reason", s.dir, x)
			}
		}
	}
}

func TestSamplesReport(t *testing.T) {
	f := func(dir, key string, kind config.Kind) {
		t.Helper()
		_, report, err := LoadConfig(filepath.Join("testdata", dir, "etc", "emqx.conf"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(report.NoEffect, func(x config.Ignored) bool { return x.Key == key && x.Kind == kind }) {
			t.Errorf("%s: %s is not reported as %s", dir, key, kind)
		}
	}
	f("emqx-3.2", "node.process_limit", config.Runtime)
	f("emqx-3.2", "listener.tcp.external.acceptors", config.Runtime)
	f("emqx-3.2", "web.hook.rule.client.connected.1", config.Later)
	f("emqx-4.3", "zone.external.force_gc_policy", config.Runtime)
	f("emqx-4.3", "exproto.listener.protoname", config.Later)
	f("emqx-4.3", "mqtt.sn.port", config.Later)
	f("emqx-4.2-enterprise", "license.file", config.Runtime)
	f("emqx-4.2-enterprise", "bridge.kafka.hook.message.publish.1", config.Later)
}

func TestSampleValues(t *testing.T) {
	c, _, err := LoadConfig("testdata/emqx-4.2-enterprise/etc/emqx.conf", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Zone("external").Session.MaxInflight; got != 64 {
		t.Errorf("an included file has overridden the main file: max_inflight %d", got)
	}
	c, _, err = LoadConfig("testdata/emqx-3.2/etc/emqx.conf", []string{"EMQX_ZONE__EXTERNAL__MAX_INFLIGHT=99"})
	if err != nil {
		t.Fatal(err)
	}
	z := c.Zone("external")
	if z.Session.MaxInflight != 99 || z.Session.RetryInterval != 20*time.Second || !z.Session.MqueueStoreQoS0 || z.MaxTopicLevels != 0 {
		t.Errorf("got %+v", z)
	}
	if c.Node.Cookie != "emqxsecretcookie" || c.Listeners()[0].Rules()[0] != (server.AccessRule{Allow: true}) {
		t.Errorf("got %+v", c.Node)
	}
}

// A query that a plugin file of EMQ X leaves out is off; where nothing but the server is named, EMQ X's queries hold.
func TestQueriesLeftOut(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"emqx.conf":                    "auth.pgsql.server = db:5432\n",
		"plugins/emqx_auth_mysql.conf": "auth.mysql.server = db:3306\n# auth.mysql.acl_query = select 1\nauth.mysql.super_query = select 0\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, _, err := LoadConfig(filepath.Join(dir, "emqx.conf"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if q := c.Providers.MySQL.Queries; q.ACLQuery != "" || q.AuthQuery != "" || q.SuperQuery != "select 0" {
		t.Errorf("mysql: %+v", q)
	}
	if q := c.Providers.Postgres.Queries; q.ACLQuery == "" || q.AuthQuery == "" || q.SuperQuery == "" {
		t.Errorf("pgsql: %+v", q)
	}
	if r := c.Providers.Redis.Commands; r.AuthCmd == "" {
		t.Errorf("redis: %+v", r)
	}
}

// disabled matches a setting that is commented out; refused are those that can't be followed.
var (
	disabled = regexp.MustCompile(`(?m)^# ([a-z][^ ]* = )`)
	refused  = regexp.MustCompile(`(?m)^# listener\.[a-z]+\.[a-z]+\.psk_ciphers = .*`)
)

// Every line of the samples and of the default configuration is also right when it is enabled.
func TestDisabledLines(t *testing.T) {
	files, err := filepath.Glob("testdata/*/etc/*.conf")
	if err != nil {
		t.Fatal(err)
	}
	plugins, err := filepath.Glob("testdata/*/etc/plugins/*.conf")
	if err != nil || len(files)+len(plugins) < 50 {
		t.Fatal(len(files), len(plugins), err)
	}
	for _, file := range append(append(files, plugins...), "default.conf") {
		if filepath.Base(file) == "acl.conf" {
			continue // of another grammar
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = regexp.MustCompile(`(?m)^include .*$`).ReplaceAll(disabled.ReplaceAll(refused.ReplaceAll(text, nil), []byte("$1")), nil)
		if strings.HasSuffix(file, "listeners.conf") {
			text = append(text, "zone.external.max_inflight = 1"...)
		}
		if _, _, err := load(t, string(text)+"\n"); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// Known keys are declared once, and not beside a field of the configuration.
func TestKnownKeysAreDistinct(t *testing.T) {
	seen := make(map[string]bool)
	for _, k := range slices.Concat(keysRuntime(), keysLater()) {
		if seen[k.Pattern] {
			t.Errorf("%s is listed twice", k.Pattern)
		}
		seen[k.Pattern] = true
		if strings.ContainsAny(k.Pattern, "{} ") || strings.HasSuffix(k.Pattern, ".") {
			t.Errorf("%q is no pattern", k.Pattern)
		}
	}
}
