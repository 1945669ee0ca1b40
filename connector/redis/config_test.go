package redis

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// load reads lines of a configuration below auth.redis.
func load(text string) (Config, error) {
	var c struct {
		Redis Config `conf:"auth.redis"`
	}
	file, err := config.Parse(strings.NewReader(text), "test")
	if err != nil {
		return c.Redis, err
	}
	_, err = config.Bind(&c, file.Settings, nil)
	return c.Redis, err
}

func TestConfig(t *testing.T) {
	c, err := load(`
auth.redis.type = sentinel
auth.redis.server = 10.0.0.1,redis.example.com:7000, ::1
auth.redis.sentinel = mymaster
auth.redis.pool = 3
auth.redis.database = 2
auth.redis.username = dunlin
auth.redis.password = secret
auth.redis.query_timeout = 5s
auth.redis.ssl = on
auth.redis.cafile = etc/ca.pem
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"10.0.0.1:26379", "redis.example.com:7000", "[::1]:26379"}
	if got := c.addrs(); !slices.Equal(got, want) {
		t.Errorf("servers %q, want %q", got, want)
	}
	if c.Pool != 3 || c.Database != 2 || c.Username != "dunlin" || c.Password != "secret" || c.QueryTimeout != 5*time.Second {
		t.Errorf("read %+v", c)
	}
	if c.tls().CACertFile != "etc/ca.pem" || !c.TLS.Enable {
		t.Errorf("read TLS %+v", c.tls())
	}
}

func TestConfigOfNothing(t *testing.T) {
	c, err := load("")
	if err != nil || c.Type != "single" || !slices.Equal(c.addrs(), []string{"127.0.0.1:6379"}) || c.Pool != 8 || c.QueryTimeout != 0 || c.TLS.Enable {
		t.Errorf("the defaults are %+v, %v", c, err)
	}
}

func TestConfigSpellingsOfTLS(t *testing.T) {
	for _, lines := range []string{
		"auth.redis.ssl.cacertfile = a\nauth.redis.ssl.certfile = b\nauth.redis.ssl.keyfile = c",
		"auth.redis.ssl.cafile = a\nauth.redis.ssl.certfile = b\nauth.redis.ssl.keyfile = c",
		"auth.redis.cafile = a\nauth.redis.certfile = b\nauth.redis.keyfile = c",
		"auth.redis.ssl.cacertfile = a\nauth.redis.cafile = unused\nauth.redis.certfile = b\nauth.redis.keyfile = c",
	} {
		c, err := load(lines)
		if files := c.tls(); err != nil || files.CACertFile != "a" || files.CertFile != "b" || files.KeyFile != "c" {
			t.Errorf("%s\nis read as %+v, %v", lines, files, err)
		}
	}
	c := Config{CAFile: "x"}
	for _, path := range c.Files() {
		*path = "/" + *path
	}
	if c.CAFile != "/x" || len(c.Files()) != 6 {
		t.Errorf("paths: %+v", c)
	}
}

func TestConfigMistakes(t *testing.T) {
	wrong := func(lines, want string) {
		t.Helper()
		if _, err := load(lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nerror %v, want one with %q", lines, err, want)
		}
	}
	wrong("auth.redis.server =", "server: expected at least one")
	wrong("auth.redis.server = a:b:c", `found "a:b:c"`)
	wrong("auth.redis.server = a,b", "type = single takes one server, found 2")
	wrong("auth.redis.type = sentinel", "auth.redis.sentinel: type = sentinel needs the name of the master")
	wrong("auth.redis.type = cluster\nauth.redis.database = 1", "a cluster has database 0 alone")
	wrong("auth.redis.type = ring", "expected one of single, sentinel, cluster")
	wrong("auth.redis.pool = 0", "at least 1")
	wrong("auth.redis.ssl = on\nauth.redis.ssl.certfile = c", "needs a keyfile")
}

func TestNewWithoutFiles(t *testing.T) {
	c, err := load("auth.redis.ssl = on\nauth.redis.cafile = /nowhere.pem")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "/nowhere.pem") {
		t.Errorf("a file that isn't there: %v", err)
	}
}
