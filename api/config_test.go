package api

import (
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// bind reads settings as a node does, "key = value" below management.
func bind(t *testing.T, text string) (Config, error) {
	t.Helper()
	var settings []config.Setting
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		settings = append(settings, config.Setting{Key: "management." + key, Value: value})
	}
	var c struct {
		Management Config `conf:"management"`
	}
	_, err := config.Load(&c, config.Source{Overrides: settings}, nil)
	return c.Management, err
}

func TestConfig(t *testing.T) {
	c, err := bind(t, "max_row_limit = 50\ndefault_application.id = a\ndefault_application.secret = s\napplication.default_secret = n\n"+
		"bootstrap_apps_file = f\nlistener.http = 8081\nlistener.http.max_clients = 7\nlistener.https = off\nlistener.https.tls_versions = tlsv1.3,tlsv1.2")
	if err != nil {
		t.Fatal(err)
	}
	if c.MaxRowLimit != 50 || c.DefaultID != "a" || c.DefaultSecret != "s" || c.NewSecret != "n" || c.BootstrapFile != "f" ||
		c.HTTP.Addresses.String() != ":8081" || c.HTTP.MaxClients != 7 || c.HTTPS.Addresses != nil || len(c.HTTPS.Versions) != 2 {
		t.Errorf("read %+v", c)
	}
}

func TestConfigThatSaysNothing(t *testing.T) {
	c, err := bind(t, "max_row_limit = 10000")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range c.HTTP.Addresses {
		if a.Host != "127.0.0.1" {
			t.Errorf("others can reach %v", a)
		}
	}
	if c.HTTP.Addresses.String() != "127.0.0.1:8080,127.0.0.1:8081" || c.HTTPS.Addresses.String() != "off" || c.DefaultSecret != "" {
		t.Errorf("defaults are %+v", c)
	}
}

// bindDashboard reads settings as a node does, "key = value" below dashboard.
func bindDashboard(text string) (Dashboard, error) {
	var settings []config.Setting
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		settings = append(settings, config.Setting{Key: "dashboard." + key, Value: value})
	}
	var c struct {
		Dashboard Dashboard `conf:"dashboard"`
	}
	_, err := config.Load(&c, config.Source{Overrides: settings}, nil)
	return c.Dashboard, err
}

func TestDashboardConfig(t *testing.T) {
	d, err := bindDashboard("token_expired_time = 30m\ndefault_user.login = root\ndefault_user.password = secret\nlistener.http = 18083\nlistener.https.max_clients = 3")
	if err != nil {
		t.Fatal(err)
	}
	if d.SessionExpiry != 30*time.Minute || d.DefaultUser != "root" || d.DefaultPassword != "secret" || d.HTTP.Addresses.String() != ":18083" || d.HTTPS.MaxClients != 3 {
		t.Errorf("read %+v", d)
	}
	if d, err = bindDashboard("listener.http.max_clients = 512"); err != nil {
		t.Fatal(err)
	}
	if d.HTTP.Addresses.String() != "127.0.0.1:18083" || d.HTTPS.Addresses != nil || d.DefaultUser != "admin" || d.DefaultPassword != "" || d.SessionExpiry != time.Hour {
		t.Errorf("defaults are %+v", d)
	}
	f := func(text, want string) {
		t.Helper()
		if _, err := bindDashboard(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	f("listener.https = 18084", "dashboard.listener.https: needs listener.https.certfile")
	f("default_user.login = a:b", "dashboard.default_user.login: expected a name without a colon")
	f("token_expired_time = 0s", "dashboard.token_expired_time: expected at least 1s")
}

func TestConfigThatIsWrong(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := bind(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	f("listener.http = here", "management.listener.http: expected an address")
	f("listener.http = 8080,,8081", "management.listener.http: expected an address")
	f("listener.http.max_clients = 0", "management.listener.http.max_clients: expected a")
	f("listener.https = 8443", "management.listener.https: needs listener.https.certfile")
	f("listener.https.verify = verify_peer", "management.listener.https.verify: verify_peer needs a cacertfile")
	f("listener.https.fail_if_no_peer_cert = true", "needs verify = verify_peer")
	f("listener.https.tls_versions = tlsv1", "management.listener.https.tls_versions: expected tlsv1.2 or tlsv1.3")
	f("max_row_limit = 0", "management.max_row_limit: expected a")
	f("default_application.id = a:b", "management.default_application.id: expected a name without a colon")
}

func TestAddresses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var a Addresses
		if err := a.UnmarshalText([]byte(text)); err != nil || a.String() != want {
			t.Errorf("%q: %v %v, want %s", text, a, err, want)
		}
	}
	f("8080", ":8080")
	f("off", "off")
	f("127.0.0.1:8080, [::1]:8081", "127.0.0.1:8080,[::1]:8081")
	f("off,8081", ":8081")
}
