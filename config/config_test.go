package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// write makes a file below dir and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const testBase = `
allow_anonymous = true
zone.external.max_inflight = 7
listener.tcp.external = 127.0.0.1:1883
listener.tcp.external.access.1 = allow all
listener.tcp.internal = 127.0.0.1:11883
`

// listeners loads and returns the listeners as `name=address/zone`.
func listeners(t *testing.T, src Source) []string {
	t.Helper()
	src.Base, src.ReplaceGroups = []byte(testBase), []string{"listener.$kind.$name"}
	c := &testConfig{}
	if _, err := Load(c, src, testKnown()); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range Names(c.TCP) {
		out = append(out, name+"="+c.TCP[name].Address.String()+"/"+c.TCP[name].Zone)
	}
	return out
}

func TestDefaultListeners(t *testing.T) {
	const external, internal = "external=127.0.0.1:1883/", "internal=127.0.0.1:11883/"
	f := func(file, env string, want ...string) {
		t.Helper()
		src := Source{Env: strings.Fields(env)}
		if file != "" {
			src.File = write(t, t.TempDir(), "emqx.conf", file)
		}
		if got := listeners(t, src); !slices.Equal(got, want) {
			t.Errorf("%q %q: got %q, want %q", file, env, got, want)
		}
	}
	f("", "", external, internal)
	f("", "DUNLIN_LISTENER__TCP__EXTERNAL=127.0.0.1:2883", "external=127.0.0.1:2883/")
	f("", "DUNLIN_LISTENER__TCP__MINE=0", "mine=:0/")
	f("", "DUNLIN_LISTENER__TCP__EXTERNAL__ZONE=external", external+"external", internal)
	f("", "DUNLIN_LISTENER__TCP__EXTERNAL=off", internal)
	f("", "DUNLIN_LISTENER__TCP__EXTERNAL=", internal)
	f("", "DUNLIN_LISTENER__TCP__EXTERNAL=off DUNLIN_LISTENER__TCP__INTERNAL=off")
	f("# nothing", "", external, internal)
	f("listener.tcp.a = 1", "", "a=:1/")
	f("listener.tcp.a = 1", "DUNLIN_LISTENER__TCP__B=2", "a=:1/", "b=:2/")
	f("listener.tcp.a = 1", "DUNLIN_LISTENER__TCP__A=off DUNLIN_LISTENER__TCP__B=2", "b=:2/")
	f("zone.z.max_inflight = 1\nlistener.tcp.internal.zone = z", "", external, internal+"z")
}

func TestBaseIsNotUnderAFile(t *testing.T) {
	file := write(t, t.TempDir(), "emqx.conf", "")
	for _, src := range []Source{{}, {File: file}} {
		src.Base = []byte(testBase)
		c := &testConfig{}
		if _, err := Load(c, src, nil); err != nil {
			t.Fatal(err)
		}
		if want := src.File == ""; c.Anonymous != want || (len(c.Zones) == 1) != want {
			t.Errorf("file %q: got allow_anonymous %v and %d zones", src.File, c.Anonymous, len(c.Zones))
		}
	}
}

func TestLayers(t *testing.T) {
	dir := t.TempDir()
	src := Source{
		File: write(t, dir, "etc/emqx.conf", `
			include zones.conf
			include etc/more.conf
			node.proto_dist = file
			zone.a.max_inflight = 1
			zone.b.max_inflight = $(zone.a.max_inflight)
		`),
		PluginDir: filepath.Join(dir, "etc/plugins"),
		Env:       []string{"EMQX_ZONE__C__MAX_INFLIGHT=30", "DUNLIN_ZONE__C__MAX_INFLIGHT=31", "EMQX_UNHEARD__OF=1"},
		Overrides: []Setting{
			{Key: "zone.d.max_inflight", Value: "41", Origin: Origin{Source: "override"}},
			{Key: "node.proto_dist", Remove: true},
		},
	}
	write(t, dir, "etc/zones.conf", "zone.a.max_inflight = 100\nzone.e.max_inflight = 5\nzone.d.max_inflight = 40\ninclude deeper.conf")
	write(t, dir, "etc/more.conf", "zone.f.max_inflight = 6")
	write(t, dir, "etc/plugins/b.conf", "zone.g.max_inflight = 8")
	write(t, dir, "etc/plugins/a.conf", "zone.g.max_inflight = 7\nzone.c.max_inflight = 1")
	write(t, dir, "etc/plugins/a.conf.bak", "nonsense")

	c := &testConfig{}
	report, err := Load(c, src, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := func(zone string, inflight int, origin string) {
		t.Helper()
		key := "zone." + zone + ".max_inflight"
		at := slices.IndexFunc(report.Values, func(v Value) bool { return v.Key == key })
		if got := c.Zones[zone].Inflight; got != inflight || !strings.HasSuffix(report.Values[at].Origin.String(), origin) {
			t.Errorf("%s: got %d from %s, want %d from %s", key, got, report.Values[at].Origin, inflight, origin)
		}
	}
	f("a", 1, "etc/emqx.conf:5")
	f("b", 1, "etc/emqx.conf:6")
	f("c", 31, "DUNLIN_ZONE__C__MAX_INFLIGHT")
	f("d", 41, "override")
	f("e", 5, "etc/zones.conf:2")
	f("f", 6, "etc/more.conf:1")
	f("g", 8, "etc/plugins/b.conf:1")
	if c.Dist != "" {
		t.Errorf("node.proto_dist is %q; an empty override should have removed it", c.Dist)
	}
	if len(report.Unknown) != 1 || report.Unknown[0].Origin.Source != "EMQX_UNHEARD__OF" {
		t.Errorf("unknown variables: %+v", report.Unknown)
	}
	want := []string{src.File, filepath.Join(src.PluginDir, "a.conf"), filepath.Join(src.PluginDir, "b.conf")}
	if got := src.Files(); !slices.Equal(got, want) {
		t.Errorf("files: got %q, want %q", got, want)
	}
}

func TestLoadReportsEverything(t *testing.T) {
	dir := t.TempDir()
	src := Source{
		File:      write(t, dir, "emqx.conf", "include missing.conf\nnope = 1\nno setting\nmqtt.max_qos_allowed = $(gone)"),
		PluginDir: filepath.Join(dir, "plugins"),
		Env:       []string{"DUNLIN_ZONE__A__MAX_INFLIHGT=1", "EMQX_ZONE__A__MAX_INFLIGHT=x"},
	}
	write(t, dir, "plugins/p.conf", "strange.key = 1")
	_, err := Load(&testConfig{}, src, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"emqx.conf:1: include missing.conf: read the configuration: open ",
		"emqx.conf:2: nope: unknown key",
		"emqx.conf:3: expected `key = value`",
		"emqx.conf:4: mqtt.max_qos_allowed: refers to $(gone), which is not set",
		"p.conf:1: strange.key: unknown key",
		"DUNLIN_ZONE__A__MAX_INFLIHGT: zone.a.max_inflihgt: unknown key; did you mean zone.a.max_inflight?",
		`EMQX_ZONE__A__MAX_INFLIGHT: zone.a.max_inflight: expected a whole number, found "x"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, err := Load(&testConfig{}, Source{File: filepath.Join(t.TempDir(), "none.conf")}, nil)
	if err == nil || !strings.Contains(err.Error(), "read the configuration: open ") {
		t.Errorf("got %v", err)
	}
}

func TestRoot(t *testing.T) {
	f := func(file, want string) {
		t.Helper()
		if got := Root(file); got != want {
			t.Errorf("Root(%q) = %q, want %q", file, got, want)
		}
	}
	f("", "")
	f("/opt/emqx/etc/emqx.conf", "/opt/emqx")
	f("/etc/emqx/emqx.conf", "/etc/emqx")
	f("/home/me/my.conf", "/home/me")
}
