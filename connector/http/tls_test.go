package http

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/internal/peers"
)

// serveTLS starts a server with the peers' certificate that tells the names it
// was asked for and the client's certificate.
func serveTLS(t *testing.T, c *peers.Certificates, clients bool) string {
	t.Helper()
	s := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		who := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			who = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		io.WriteString(w, r.Proto+" "+who+" for "+r.TLS.ServerName)
	}))
	pair, err := tls.LoadX509KeyPair(c.ServerCert, c.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	s.EnableHTTP2 = true
	if clients {
		ca, err := os.ReadFile(c.CA)
		if err != nil {
			t.Fatal(err)
		}
		s.TLS.ClientCAs = x509.NewCertPool()
		s.TLS.ClientCAs.AppendCertsFromPEM(ca)
		s.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what we want
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestTLS(t *testing.T) {
	certs := peers.NewCertificates(t)
	open, mutual := serveTLS(t, certs, false), serveTLS(t, certs, true)
	f := func(name, url, want string, change func(*Config)) {
		t.Helper()
		client := newClient(t, change)
		_, _, answer, err := client.Do(short(t, 5*time.Second), "GET", url, nil, nil)
		pinged := client.Ping(short(t, 5*time.Second), url)
		if failure, ok := strings.CutPrefix(want, "error: "); ok {
			if err == nil || !strings.Contains(err.Error(), failure) {
				t.Errorf("%s: got %q %v, want %s", name, answer, err, want)
			}
			return
		}
		if string(answer) != want || err != nil || pinged != nil {
			t.Errorf("%s: got %q %v, ping %v, want %q", name, answer, err, pinged, want)
		}
	}
	verify := func(ca, name string) func(*Config) {
		return func(c *Config) { c.TLS.CACertFile, c.TLS.ServerName, c.TLS.Verify = ca, name, true }
	}
	f("not verified, as in EMQ X", open, "HTTP/1.1 nobody for ", nil)
	f("verified", open, "HTTP/1.1 nobody for ", verify(certs.CA, ""))
	f("by name", open, "HTTP/1.1 nobody for localhost", verify(certs.CA, "localhost"))
	f("any name", open, "HTTP/1.1 nobody for ", verify(certs.CA, "disable"))
	f("another name", open, "error: not plant.example", verify(certs.CA, "plant.example"))
	f("another authority", open, "error: unknown authority", verify(certs.OtherCA, ""))
	f("another authority, any name", open, "error: unknown authority", verify(certs.OtherCA, "disable"))
	f("authorities of the system", open, "error: certificate", verify("", ""))
	f("with a certificate", mutual, "HTTP/1.1 dunlin for ", func(c *Config) {
		c.TLS.CertFile, c.TLS.KeyFile = certs.ClientCert, certs.ClientKey
	})
	f("without a certificate", mutual, "error: certificate", nil)
	f("TLS to a plain port", "https"+strings.TrimPrefix(serve(t, func(nethttp.ResponseWriter, *nethttp.Request) {}), "http"), "error: HTTP", nil)
}
