package mongodb

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// load reads lines of a configuration below auth.mongo.
func load(text string) (Config, error) {
	var c struct {
		Mongo Config `conf:"auth.mongo"`
	}
	file, err := config.Parse(strings.NewReader(text), "test")
	if err != nil {
		return c.Mongo, err
	}
	_, err = config.Bind(&c, file.Settings, nil)
	return c.Mongo, err
}

func TestConfig(t *testing.T) {
	c, err := load(`
auth.mongo.type = rs
auth.mongo.rs_set_name = rs0
auth.mongo.server = 10.0.0.1,db.example.com:7000
auth.mongo.pool = 3
auth.mongo.login = dunlin
auth.mongo.password = secret
auth.mongo.auth_source = admin
auth.mongo.database = users
auth.mongo.query_timeout = 5s
auth.mongo.w_mode = safe
auth.mongo.r_mode = slave_ok
auth.mongo.ssl = on
auth.mongo.ssl_opts.cacertfile = etc/ca.pem
auth.mongo.topology.connect_timeout_ms = 1500
auth.mongo.topology.server_selection_timeout_ms = 0
auth.mongo.topology.local_threshold_ms = 15
auth.mongo.topology.heartbeat_frequency_ms = 500
`)
	if err != nil {
		t.Fatal(err)
	}
	s := c.listed()
	if !slices.Equal(s.hosts, []string{"10.0.0.1:27017", "db.example.com:7000"}) || s.replicaSet != "rs0" || s.authSource != "admin" {
		t.Errorf("begins at %+v", s)
	}
	if c.Pool != 3 || c.Username != "dunlin" || c.Password != "secret" || c.Database != "users" || c.QueryTimeout != 5*time.Second ||
		!c.TLS.Enable || c.TLS.CACertFile != "etc/ca.pem" {
		t.Errorf("read %+v", c)
	}
	if want := (Topology{1500 * time.Millisecond, 0, 15 * time.Millisecond, 500 * time.Millisecond}); c.Topology != want {
		t.Errorf("topology %+v, want %+v", c.Topology, want)
	}
}

func TestConfigOfNothing(t *testing.T) {
	c, err := load("")
	if err != nil || c.Type != "single" || !slices.Equal(c.listed().hosts, []string{"127.0.0.1:27017"}) || c.Pool != 8 || c.Database != "mqtt" {
		t.Errorf("the defaults are %+v, %v", c, err)
	}
	if want := (Topology{20 * time.Second, 30 * time.Second, time.Second, 10 * time.Second}); c.Topology != want {
		t.Errorf("topology %+v, want %+v", c.Topology, want)
	}
}

func TestConfigMistakes(t *testing.T) {
	wrong := func(lines, want string) {
		t.Helper()
		if _, err := load(lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nerror %v, want one with %q", lines, err, want)
		}
	}
	wrong("auth.mongo.server =", "server: expected at least one")
	wrong("auth.mongo.server = a:b:c", `found "a:b:c"`)
	wrong("auth.mongo.server = a,b", "type = single takes one server, found 2")
	wrong("auth.mongo.server = a,b\nauth.mongo.srv_record = true\nauth.mongo.type = rs", "srv_record takes one name, found 2")
	wrong("auth.mongo.server = a:1\nauth.mongo.srv_record = true", "expected a name alone")
	wrong("auth.mongo.database =", "database: expected a name")
	wrong("auth.mongo.type = ring", "expected one of single, unknown, sharded, rs")
	wrong("auth.mongo.topology.heartbeat_frequency_ms = 10", "expected at least 500")
	wrong("auth.mongo.username = a\nauth.mongo.nosuch = b", "nosuch")
}

func TestOptions(t *testing.T) {
	options := func(lines string) (direct, rs bool, source string, reads string) {
		t.Helper()
		c, err := load(lines)
		if err != nil {
			t.Fatal(err)
		}
		client, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		o := client.options(c.listed())
		if o.Auth != nil {
			source = o.Auth.AuthSource
		}
		if o.ReadPreference != nil {
			reads = o.ReadPreference.Mode().String()
		}
		return o.Direct != nil && *o.Direct, o.ReplicaSet != nil && *o.ReplicaSet == "mqtt", source, reads
	}
	check := func(lines string, direct, rs bool, source, reads string) {
		t.Helper()
		if d, r, s, p := options(lines); d != direct || r != rs || s != source || p != reads {
			t.Errorf("%s: direct %v, replica set mqtt %v, users of %q, reads %q", lines, d, r, s, p)
		}
	}
	check("", true, false, "", "")
	check("auth.mongo.type = unknown", false, false, "", "")
	check("auth.mongo.type = sharded\nauth.mongo.server = a,b", false, false, "", "")
	check("auth.mongo.type = rs\nauth.mongo.server = a,b", false, true, "", "")
	check("auth.mongo.username = u", true, false, "mqtt", "")
	check("auth.mongo.r_mode = master", true, false, "", "primary")
	check("auth.mongo.r_mode = slave_ok\nauth.mongo.w_mode = unsafe", true, false, "", "secondaryPreferred")
}
