package connector_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/connector"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

// backend is a configuration with a TLS in it, as leaves have.
type backend struct {
	TLS connector.TLS `conf:"ssl" alias:"ssl_opts"`
}

func load(text string) (connector.TLS, error) {
	f, err := config.Parse(strings.NewReader(text), "test.conf")
	if err != nil {
		return connector.TLS{}, err
	}
	var b backend
	_, err = config.Bind(&b, f.Settings, nil)
	return b.TLS, err
}

func TestTLSSpellings(t *testing.T) {
	is := func(text string, got func(connector.TLS) any, want any) {
		t.Helper()
		c, err := load(text)
		if err != nil {
			t.Fatal(text, err)
		}
		if got(c) != want {
			t.Errorf("%s: %v, want %v", text, got(c), want)
		}
	}
	enable := func(c connector.TLS) any { return c.Enable }
	is("ssl = on", enable, true)
	is("ssl = true", enable, true)
	is("ssl = off", enable, false)
	is("ssl = false", enable, false)
	is("ssl_opts.verify = true", enable, false)
	ca := func(c connector.TLS) any { return c.CACertFile }
	is("ssl.cacertfile = a", ca, "a")
	is("ssl.cafile = a", ca, "a")
	is("ssl_opts.cacertfile = a", ca, "a")
	verify := func(c connector.TLS) any { return bool(c.Verify) }
	is("ssl.verify = true", verify, true)
	is("ssl.verify = verify_peer", verify, true)
	is("ssl.verify = verify_none", verify, false)
	is("ssl.verify = false", verify, false)
	is("ssl_opts.verify = verify_peer", verify, true)
	is("ssl.certfile = c\nssl.keyfile = k", func(c connector.TLS) any { return c.CertFile + c.KeyFile }, "ck")
	is("ssl.server_name_indication = disable", func(c connector.TLS) any { return c.ServerName }, "disable")
	is("ssl.tls_versions = tlsv1.3,tlsv1.2,tlsv1.1", func(c connector.TLS) any { return strings.Join(c.Versions, " ") }, "tlsv1.3 tlsv1.2 tlsv1.1")
}

func TestTLSThatMakesNoSense(t *testing.T) {
	wrong := func(text, want string) {
		t.Helper()
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a sentence with %q", text, err, want)
		}
	}
	wrong("ssl = on\nssl.certfile = c", "ssl.certfile: needs a keyfile")
	wrong("ssl = on\nssl.keyfile = k", "ssl.keyfile: needs a certfile")
	wrong("ssl = on\nssl.tls_versions = tlsv1.1", "ssl.tls_versions: expected tlsv1.2 or tlsv1.3")
	wrong("ssl.tls_versions = sslv3", "expected one of")
	wrong("ssl.verify = maybe", "verify_none")
	if _, err := load("ssl = off\nssl.certfile = c"); err != nil {
		t.Errorf("what is off was checked: %v", err)
	}
}

func TestTLSFilesThatCannotBeRead(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := func(c connector.TLS, want string) {
		t.Helper()
		c.Enable = true
		if _, err := c.Config(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want a sentence with %q", c, err, want)
		}
	}
	wrong(connector.TLS{CACertFile: "nowhere"}, "cacertfile: open nowhere")
	wrong(connector.TLS{CACertFile: text}, "cacertfile: "+text+": expected certificates in PEM")
	wrong(connector.TLS{CertFile: text, KeyFile: text}, "certfile: "+text)
	if c, err := (&connector.TLS{CACertFile: "nowhere"}).Config(); c != nil || err != nil {
		t.Errorf("what is off gave %v, %v", c, err)
	}
}

// TestTLSHandshake lets each configuration meet a server that asks for a
// certificate and has one for localhost.
func TestTLSHandshake(t *testing.T) {
	certs := peers.NewCertificates(t)
	server := connector.TLS{Enable: true, CACertFile: certs.CA, CertFile: certs.ServerCert, KeyFile: certs.ServerKey}
	theirs, err := server.Config()
	if err != nil {
		t.Fatal(err)
	}
	theirs.ClientCAs, theirs.ClientAuth = theirs.RootCAs, tls.VerifyClientCertIfGiven

	meets := func(name string, c connector.TLS, host string, want bool) {
		t.Helper()
		c.Enable = true
		if c.Verify && c.CACertFile == "" {
			c.CACertFile = certs.CA
		}
		ours, err := c.Config()
		if err != nil {
			t.Fatal(name, err)
		}
		if ours.ServerName == "" && !ours.InsecureSkipVerify {
			ours.ServerName = host // as the client libraries do
		}
		if err := handshake(ours, theirs); (err == nil) != want {
			t.Errorf("%s: %v, want success %v", name, err, want)
		}
	}
	meets("without verification", connector.TLS{}, "elsewhere", true)
	meets("without verification, another authority", connector.TLS{CACertFile: certs.OtherCA}, "elsewhere", true)
	meets("verified", connector.TLS{Verify: true}, "localhost", true)
	meets("verified, another authority", connector.TLS{Verify: true, CACertFile: certs.OtherCA}, "localhost", false)
	meets("verified, another host", connector.TLS{Verify: true}, "elsewhere", false)
	meets("verified, another host, named", connector.TLS{Verify: true, ServerName: "localhost"}, "elsewhere", true)
	meets("verified, wrongly named", connector.TLS{Verify: true, ServerName: "elsewhere"}, "localhost", false)
	meets("verified, any name", connector.TLS{Verify: true, ServerName: "disable"}, "elsewhere", true)
	meets("verified, any name, another authority", connector.TLS{Verify: true, ServerName: "disable", CACertFile: certs.OtherCA}, "localhost", false)
	meets("a certificate of ours", connector.TLS{Verify: true, CertFile: certs.ClientCert, KeyFile: certs.ClientKey}, "localhost", true)
	meets("TLS 1.2", connector.TLS{Verify: true, Versions: []string{"tlsv1.2", "tlsv1.1"}}, "localhost", true)
	meets("TLS 1.3", connector.TLS{Verify: true, Versions: []string{"tlsv1.3"}}, "localhost", true)

	theirs.MaxVersion = tls.VersionTLS12
	meets("TLS 1.3 against 1.2", connector.TLS{Versions: []string{"tlsv1.3"}}, "localhost", false)
	theirs.ClientAuth = tls.RequireAndVerifyClientCert
	meets("no certificate of ours", connector.TLS{}, "localhost", false)
}

func handshake(ours, theirs *tls.Config) error {
	a, b := net.Pipe()
	defer a.Close()
	done := make(chan error, 1)
	go func() {
		defer b.Close()
		done <- tls.Server(b, theirs).Handshake()
	}()
	if err := tls.Client(a, ours).Handshake(); err != nil {
		a.Close()
		<-done
		return err
	}
	return <-done
}
