package api

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

// startTLS starts a server with https alone and returns its address.
func startTLS(t *testing.T, certs *peers.Certificates, change func(*HTTPS)) string {
	t.Helper()
	s, _ := newServer(t, func(o *Options) {
		h := &o.Config.HTTPS
		h.Addresses = Addresses{config.NewAddress("127.0.0.1", 0)}
		h.CertFile, h.KeyFile, h.CACertFile = certs.ServerCert, certs.ServerKey, certs.CA
		change(h)
		if err := o.Config.Validate(); err != nil {
			t.Fatal(err)
		}
	})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return "https://" + s.Listeners()[0].Addr.String()
}

// trusting is a client that trusts the authority, and shows a certificate if
// cert isn't empty.
func trusting(t *testing.T, certs *peers.Certificates, c *tls.Config) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(certs.CA)
	if err != nil {
		t.Fatal(err)
	}
	c.RootCAs = x509.NewCertPool()
	c.RootCAs.AppendCertsFromPEM(pem)
	tr := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestHTTPS(t *testing.T) {
	certs := peers.NewCertificates(t)
	own, err := tls.LoadX509KeyPair(certs.ClientCert, certs.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	f := func(what string, change func(*HTTPS), client *tls.Config, want string) {
		t.Helper()
		url := startTLS(t, certs, change)
		r, err := http.NewRequest(http.MethodGet, url+"/api/v4/brokers", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("admin", secretOfAdmin)
		resp, err := trusting(t, certs, client).Do(r)
		var got string
		if err != nil {
			got = err.Error()
		} else {
			resp.Body.Close()
			got = resp.Proto + " " + resp.Status
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	verify := func(h *HTTPS) { h.Verify = "verify_peer" }
	insist := func(h *HTTPS) { h.Verify, h.FailIfNoPeerCert = "verify_peer", true }
	f("no certificate asked for", func(*HTTPS) {}, &tls.Config{}, "HTTP/2.0 200")
	f("none given", verify, &tls.Config{}, "HTTP/2.0 200")
	f("given", insist, &tls.Config{Certificates: []tls.Certificate{own}}, "HTTP/2.0 200")
	f("none given where it must", insist, &tls.Config{MaxVersion: tls.VersionTLS12}, "remote error: tls")
	f("TLS 1.2 only, asked for 1.3", func(h *HTTPS) { h.Versions = []string{"tlsv1.2"} }, &tls.Config{MinVersion: tls.VersionTLS13}, "protocol version")
	f("TLS 1.3 only, asked for 1.2", func(h *HTTPS) { h.Versions = []string{"tlsv1.3"} }, &tls.Config{MaxVersion: tls.VersionTLS12}, "protocol version")
}

func TestHTTPSFilesThatAreMissing(t *testing.T) {
	certs := peers.NewCertificates(t)
	f := func(h HTTPS, want string) {
		t.Helper()
		if _, err := h.tls("management.listener.https"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f(HTTPS{CertFile: "none", KeyFile: certs.ServerKey}, "management.listener.https.certfile = none")
	f(HTTPS{CertFile: certs.ServerCert, KeyFile: certs.ServerKey, Verify: "verify_peer", CACertFile: "none"}, "management.listener.https.cacertfile")
	f(HTTPS{CertFile: certs.ServerCert, KeyFile: certs.ServerKey, Verify: "verify_peer", CACertFile: certs.ServerKey}, "expected certificates in PEM")
}
