package node

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/dunlin-mq/dunlin/api"
)

// TestPartsByREST starts a node and asks it what is on, and where it listens.
func TestPartsByREST(t *testing.T) {
	dir := t.TempDir()
	c, _, err := LoadConfig("", []string{
		"DUNLIN_NODE__DATA_DIR=" + dir, "DUNLIN_LISTENER__TCP__EXTERNAL=127.0.0.1:0", "DUNLIN_MANAGEMENT__LISTENER__HTTP=off", "DUNLIN_DASHBOARD__LISTENER__HTTP=off",
		"DUNLIN_MODULE__PRESENCE=off", "DUNLIN_AUTH__REDIS__ENABLE=on", "DUNLIN_LOADED_PLUGINS=emqx_auth_mysql",
	})
	if err != nil {
		t.Fatal(err)
	}
	n, err := Start(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	get := func(path string, data any) {
		t.Helper()
		client := http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", api.Socket(dir))
			}, DisableKeepAlives: true,
		}}
		r, err := client.Get("http://dunlin/api/v4/nodes/" + c.Node.Name + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &struct{ Data any }{data}); err != nil {
			t.Fatalf("%s: %v in %s", path, err, body)
		}
	}
	on := make(map[string]bool)
	for _, path := range []string{"/plugins", "/modules"} {
		var parts []struct {
			Name   string
			Active bool
		}
		get(path, &parts)
		for _, p := range parts {
			on[p.Name] = p.Active
		}
	}
	for name, want := range map[string]bool{
		"emqx_auth_redis": true, "emqx_auth_mysql": true, "emqx_auth_pgsql": false, "emqx_auth_mnesia": true, "emqx_psk_file": false,
		"emqx_dashboard": false, "emqx_mod_acl_internal": true, "emqx_mod_presence": false, "emqx_mod_rewrite": true, "emqx_mod_delayed": true,
	} {
		if got, listed := on[name]; got != want || !listed {
			t.Errorf("%s: %v, want %v; listed: %v", name, got, want, listed)
		}
	}
	var listeners []struct{ Identifier string }
	if get("/listeners", &listeners); len(listeners) == 0 || listeners[0].Identifier != "mqtt:tcp:external" {
		t.Errorf("listeners: %v", listeners)
	}
	var stats, metrics map[string]int
	get("/stats", &stats)
	get("/metrics", &metrics)
	if _, ok := stats["connections.count"]; !ok {
		t.Errorf("stats: %v", stats)
	}
	if _, ok := metrics["packets.connect.received"]; !ok {
		t.Errorf("metrics: %v", metrics)
	}
}

// TestDashboardIsSwitched by the names of what EMQ X has loaded, where something says them.
func TestDashboardIsSwitched(t *testing.T) {
	f := func(want bool, env ...string) {
		t.Helper()
		n, err := Start(configured(t, env...), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Stop()
		open := false
		for _, l := range n.API.Listeners() {
			open = open || l.For == "dashboard"
		}
		if open != want {
			t.Errorf("%v: open %v, want %v", env, open, want)
		}
	}
	const idle = "dashboard.listener.http (DUNLIN_DASHBOARD__LISTENER__HTTP) has no effect: emqx_dashboard is not among what is to be loaded"
	if c := configured(t, "DUNLIN_LOADED_PLUGINS=emqx_management"); !slices.Contains(c.idle, idle) {
		t.Errorf("configured and not loaded, the warnings are %q", c.idle)
	}
	if c := configured(t); slices.Contains(c.idle, idle) {
		t.Error("it is said to have no effect")
	}
	f(true)
	f(true, "DUNLIN_LOADED_PLUGINS=emqx_dashboard,emqx_management")
	f(false, "DUNLIN_LOADED_PLUGINS=emqx_management")
	f(false, "DUNLIN_DASHBOARD__LISTENER__HTTP=off")
}
