package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestOverridesFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "overrides.conf")
	if s, err := ReadOverrides(path); s != nil || err != nil {
		t.Fatalf("no file: %v, %v", s, err)
	}
	want := []Setting{{Key: "zone.a.max_inflight", Value: "7"}, {Key: `zone.a\.b.idle_timeout`, Value: "1s"}, {Key: "node.proto_dist", Value: ""}}
	if err := WriteOverrides(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadOverrides(path)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	bad := func(key, value string) {
		t.Helper()
		if err := WriteOverrides(path, []Setting{{Key: key, Value: value}}); err == nil {
			t.Errorf("%q = %q was written", key, value)
		}
	}
	bad("zone.a.max_inflight", "7\nallow_anonymous = true")
	bad("zone.a.max_inflight", "7\r")
	bad("zone.a.max_inflight", " 7")
	bad("zone.a.max_inflight = 7\nallow_anonymous", "true")
	bad("", "7")
	bad("zone.a.max_inflight", strings.Repeat("7", maxLine-len("zone.a.max_inflight = ")))
	if again, err := ReadOverrides(path); err != nil || !slices.Equal(again, want) {
		t.Errorf("what could not be written has changed the file: %v, %v", again, err)
	}
	if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 1 {
		t.Errorf("files are left over: %v, %v", names, err)
	}
	longest := []Setting{{Key: "k", Value: strings.Repeat("7", maxLine-len("k = ")-1)}, want[0]}
	if err := WriteOverrides(path, longest); err != nil {
		t.Error(err)
	}
	if got, err := ReadOverrides(path); err != nil || !slices.Equal(got, longest) {
		t.Errorf("of the longest line and the next %d are read: %v", len(got), err)
	}
	if err := WriteOverrides(filepath.Join(path, "x"), nil); err == nil || !strings.Contains(err.Error(), "the overrides can't be written") {
		t.Errorf("a folder that isn't there: %v", err)
	}
	write(t, filepath.Dir(path), "overrides.conf", "nonsense\ninclude other.conf\nnode.proto_dist = x\n")
	got, err = ReadOverrides(path)
	if len(got) != 1 || err == nil || !strings.Contains(err.Error(), "conf:1: expected `key = value`") || !strings.Contains(err.Error(), "conf:2: include other.conf: overrides include nothing") {
		t.Errorf("got %v, %v", got, err)
	}
}

// bindOverrides binds lines of a file of overrides.
func bindOverrides(t *testing.T, file, text string) (*testConfig, *Report, []Setting, error) {
	t.Helper()
	dir := t.TempDir()
	src := Source{Base: []byte(testBase)}
	if file != "" {
		src.File = write(t, dir, "emqx.conf", file)
	}
	overrides, err := Parse(strings.NewReader(text), "o")
	if err != nil {
		t.Fatal(err)
	}
	var c *testConfig
	report, taken, err := Read(src).BindOverrides(func() any { c = new(testConfig); return c }, overrides.Settings, testKnown())
	return c, report, taken, err
}

func TestBindOverrides(t *testing.T) {
	f := func(text string, inflight int, taken int, refused ...string) {
		t.Helper()
		c, report, kept, err := bindOverrides(t, "", text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		var said []string
		for _, r := range report.Refused {
			said = append(said, r.Error())
		}
		if c.Zones["external"].Inflight != inflight || len(kept) != taken || !slices.Equal(said, refused) {
			t.Errorf("%q: inflight %d, %d taken, refused\n%q, want %d, %d,\n%q", text, c.Zones["external"].Inflight, len(kept), said, inflight, taken, refused)
		}
	}
	f("", 7, 0)
	f("zone.external.max_inflight = 9", 9, 1)
	f("zone.external.max_inflight = 9\nzone.external.max_inflight = 10", 10, 2)
	f("zone.external.max_inflight = many", 7, 0, `o:1: zone.external.max_inflight: expected a whole number, found "many"; it is left out`)
	f("zone.external.max_inflght = 1\nzone.external.max_inflight = 9", 9, 1,
		"o:1: zone.external.max_inflght: unknown key; did you mean zone.external.max_inflight?; it is left out")
	f("broker.strategy = sticky\nzone.external.max_inflight = 9", 9, 1, "o:1: broker.strategy is left out: too sticky")
	// Each needs the other, in either order.
	f("listener.tcp.external.zone = z\nzone.z.max_inflight = 1", 7, 2)
	f("broker.strategy = sticky\nlistener.tcp.external.zone = z\nzone.z.max_inflight = 1", 7, 2, "o:1: broker.strategy is left out: too sticky")

	if _, _, _, err := bindOverrides(t, "nonsense.key = 1", "zone.external.max_inflight = 9"); err == nil || !strings.Contains(err.Error(), "nonsense.key") {
		t.Errorf("what is wrong with the files is no matter of overrides: %v", err)
	}
}

func TestDefaultsAndTypes(t *testing.T) {
	_, report, _, err := bindOverrides(t, "", "zone.external.max_inflight = 9\nmqtt.max_qos_allowed = 1\nnode.cookie = monster\nzone.y.idle_timeout = 1s\nlistener.tcp.external.access.2 = deny all")
	if err != nil {
		t.Fatal(err)
	}
	f := func(key, value, def, typ string, secret bool) {
		t.Helper()
		for _, v := range report.Values {
			if v.Key == key {
				if v.Value != value || v.Default != def || v.Type != typ || v.Secret != secret {
					t.Errorf("%+v, want %s, default %s, %s, %v", v, value, def, typ, secret)
				}
				return
			}
		}
		t.Errorf("no %s", key)
	}
	f("zone.external.max_inflight", "9", "7", "int", false) // of the built-in file
	f("zone.y.max_inflight", "32", "32", "int", false)
	f("zone.y.idle_timeout", "1s", "15s", "duration", false)
	f("zone.y.max_qos_allowed", "1", "2", "int 0..2", false) // as the zone starts from mqtt.max_qos_allowed
	f("mqtt.max_qos_allowed", "1", "2", "int 0..2", false)
	f("mqtt.max_packet_size", "1MB", "1MB", "size", false)
	f("allow_anonymous", "true", "true", "flag", false)
	f("node.cookie", "******", "", "text", true)
	f("broker.strategy", "random", "random", "oneof random sticky", false)
	f("listener.tcp.external", "127.0.0.1:1883", "127.0.0.1:1883", "address", false)
	f("listener.tcp.external.access.1", "allow all", "allow all", "text", false)
	f("listener.tcp.external.access.2", "deny all", "", "text", false)
	f("priorities", "none", "none", "text", false)
}

func TestOriginIsDefault(t *testing.T) {
	_, report, _, err := bindOverrides(t, "", "zone.external.max_inflight = 9")
	if err != nil {
		t.Fatal(err)
	}
	set := 0
	for _, v := range report.Values {
		if !v.Origin.IsDefault() {
			set++
		}
	}
	if set != 1 {
		t.Errorf("%d values are set, want 1", set)
	}
}
