package ldap

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// load reads lines of a configuration below auth.ldap.
func load(text string) (Config, error) {
	var c struct {
		LDAP Config `conf:"auth.ldap"`
	}
	file, err := config.Parse(strings.NewReader(text), "test")
	if err != nil {
		return c.LDAP, err
	}
	_, err = config.Bind(&c, file.Settings, nil)
	return c.LDAP, err
}

func TestConfig(t *testing.T) {
	c, err := load(`
auth.ldap.servers = ldap1.example.com,10.0.0.2:1389
auth.ldap.port = 636
auth.ldap.pool = 3
auth.ldap.bind_dn = cn=reader,dc=example,dc=com
auth.ldap.bind_password = secret
auth.ldap.timeout = 5s
auth.ldap.ssl = true
auth.ldap.ssl.cacertfile = etc/ca.pem
auth.ldap.ssl.verify = verify_peer
auth.ldap.ssl.server_name_indication = ldap.example.com
`)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.addrs(), []string{"ldap1.example.com:636", "10.0.0.2:1389"}) {
		t.Errorf("servers %q", c.addrs())
	}
	if c.Pool != 3 || c.BindDN != "cn=reader,dc=example,dc=com" || c.BindPassword != "secret" || c.Timeout != 5*time.Second {
		t.Errorf("read %+v", c)
	}
	if tls := c.TLS; !tls.Enable || !bool(tls.Verify) || tls.CACertFile != "etc/ca.pem" || tls.ServerName != "ldap.example.com" {
		t.Errorf("read %+v", tls)
	}
}

func TestConfigOfNothing(t *testing.T) {
	c, err := load("")
	if err != nil || !slices.Equal(c.addrs(), []string{"127.0.0.1:389"}) || c.Pool != 8 || c.Timeout != 30*time.Second ||
		c.BindDN != "cn=root,dc=emqx,dc=io" || c.BindPassword != "public" {
		t.Errorf("the defaults are %+v, %v", c, err)
	}
}

func TestConfigMistakes(t *testing.T) {
	wrong := func(lines, want string) {
		t.Helper()
		if _, err := load(lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nerror %v, want one with %q", lines, err, want)
		}
	}
	wrong("auth.ldap.servers =", "expected at least one server")
	wrong("auth.ldap.servers = ldap://a", `found "ldap://a"`)
	wrong("auth.ldap.port = 0", "at least 1")
	wrong("auth.ldap.bind_password =", "bind_password: bind_dn needs one")
	wrong("auth.ldap.timeout = 0s", "expected more than 0s")
	if _, err := load("auth.ldap.bind_dn =\nauth.ldap.bind_password ="); err != nil {
		t.Errorf("to search as nobody: %v", err)
	}
}
