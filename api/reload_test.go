package api

import (
	"crypto/tls"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

// TestCertificatesAreReadAgain on both kinds of listener, while they are open:
// callers then see the certificate of another authority.
func TestCertificatesAreReadAgain(t *testing.T) {
	old, fresh := peers.NewCertificates(t), peers.NewCertificates(t)
	dir := t.TempDir()
	cert, key := dir+"/cert.pem", dir+"/key.pem"
	put := func(from *peers.Certificates) {
		t.Helper()
		for name, source := range map[string]string{cert: from.ServerCert, key: from.ServerKey} {
			pem, err := os.ReadFile(source)
			if err == nil {
				err = os.WriteFile(name, pem, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	put(old)
	s, _ := newServer(t, func(o *Options) {
		for _, h := range []*HTTPS{&o.Config.HTTPS, &o.Dashboard.HTTPS} {
			h.Addresses, h.CertFile, h.KeyFile = Addresses{config.NewAddress("127.0.0.1", 0)}, cert, key
		}
	})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	f := func(what string, trusted *peers.Certificates, want bool) {
		t.Helper()
		for _, l := range s.Listeners() {
			resp, err := trusting(t, trusted, &tls.Config{}).Get("https://" + l.Addr.String() + "/status")
			if err == nil {
				resp.Body.Close()
			}
			if (err == nil) != want || err == nil && resp.Proto != "HTTP/2.0" {
				t.Errorf("%s, %s: %v, want %v", what, l.For, err, want)
			}
		}
	}
	if n := len(s.Listeners()); n != 2 {
		t.Fatalf("%d listeners", n)
	}
	f("at first", old, true)
	f("at first, another authority", fresh, false)
	put(fresh)
	f("changed and not read", old, true)
	if err := s.ReloadCertificates(); err != nil {
		t.Fatal(err)
	}
	f("read again", fresh, true)
	f("read again, the old authority", old, false)
	if err := os.WriteFile(key, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.ReloadCertificates()
	if err == nil || strings.Count(err.Error(), "management.listener.https.certfile")+strings.Count(err.Error(), "dashboard.listener.https.certfile") != 2 {
		t.Errorf("a damaged key: %v", err)
	}
	f("those in use stay", fresh, true)
}

// TestDashboardOverTLS: HTTP/2, and a cookie that goes nowhere else.
func TestDashboardOverTLS(t *testing.T) {
	certs := peers.NewCertificates(t)
	s, _ := newServer(t, withUsers, func(o *Options) {
		h := &o.Dashboard.HTTPS
		h.Addresses, h.CertFile, h.KeyFile = Addresses{config.NewAddress("127.0.0.1", 0)}, certs.ServerCert, certs.ServerKey
	})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	url := "https://" + s.Listeners()[0].Addr.String()
	client := trusting(t, certs, &tls.Config{})
	resp, err := client.Post(url+"/api/v4/auth", "application/json", strings.NewReader(`{"username":"root","password":"`+passwordOfRoot+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cookies := resp.Cookies()
	if len(cookies) != 1 || !cookies[0].Secure || resp.Proto != "HTTP/2.0" {
		t.Fatalf("%s %v", resp.Proto, cookies)
	}
	r, err := http.NewRequest(http.MethodGet, url+"/api/v4/auth", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(cookies[0])
	if status, body := do(t, client, r); status != 200 || !strings.Contains(body, `"username":"root"`) {
		t.Errorf("%d %s", status, body)
	}
}
