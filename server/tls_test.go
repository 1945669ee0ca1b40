package server

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dialTLS connects with a client configuration; it ends with the test.
func dialTLS(t testing.TB, addr string, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	nc := tls.Client(dial(t, addr), config)
	return nc, nc.Handshake()
}

// tryTLS reports whether a client gets as far as a CONNACK. In TLS 1.3 a
// client's certificate is refused only after its handshake is over.
func tryTLS(t testing.TB, addr string, config *tls.Config) error {
	t.Helper()
	nc, err := dialTLS(t, addr, config)
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := nc.Write(connectPacket("c")); err != nil {
		return err
	}
	_, err = nc.Read(make([]byte, 4))
	return err
}

func TestGeneratedCertificate(t *testing.T) {
	const listener = "ssl.a = 127.0.0.1:0"
	ts := startTestServer(t, listener)
	certFile, keyFile := filepath.Join(ts.dir, "certs", "cert.pem"), filepath.Join(ts.dir, "certs", "key.pem")
	text, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := tryTLS(t, ts.addr("ssl"), &tls.Config{RootCAs: pool, ServerName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v, want mode 0600", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(ts.dir, "certs", ".*")); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}

	// It stays the same until it can't be used.
	again := func(damage func()) (same bool) {
		t.Helper()
		damage()
		if err := ts.ReloadCertificates(); err != nil {
			t.Fatal(err)
		}
		now, err := os.ReadFile(certFile)
		if err != nil {
			t.Fatal(err)
		}
		return string(now) == string(text)
	}
	if !again(func() {}) {
		t.Error("a certificate that is good was made again")
	}
	if again(func() { os.WriteFile(keyFile, []byte("no key"), 0o600) }) {
		t.Error("a certificate whose key is damaged was not made again")
	}
	if !strings.Contains(ts.log.String(), "is made again") {
		t.Errorf("nothing is said of the new certificate in:\n%s", ts.log)
	}
	chain, key, err := generate(time.Now().Add(-generatedFor - time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if again(func() { os.WriteFile(keyFile, key, 0o600); os.WriteFile(certFile, chain, 0o600) }); strings.Count(ts.log.String(), "expired on") != 1 {
		t.Errorf("an expired certificate was not made again:\n%s", ts.log)
	}
}

func TestVersionsAndCiphers(t *testing.T) {
	f := func(options string, client *tls.Config, want uint16) {
		t.Helper()
		ts := startTestServer(t, "ssl.a = 127.0.0.1:0\n"+options)
		client.InsecureSkipVerify = true
		nc, err := dialTLS(t, ts.addr("ssl"), client)
		if got := nc.ConnectionState().Version; want != 0 && (err != nil || got != want) || want == 0 && err == nil {
			t.Errorf("%q: got version %x, %v, want %x", options, got, err, want)
		}
	}
	only := func(v uint16) *tls.Config { return &tls.Config{MinVersion: v, MaxVersion: v} }
	f("", only(tls.VersionTLS12), tls.VersionTLS12)
	f("", only(tls.VersionTLS13), tls.VersionTLS13)
	f("", only(tls.VersionTLS11), 0)
	f("ssl.a.tls_versions = tlsv1.3", only(tls.VersionTLS12), 0)
	f("ssl.a.tls_versions = tlsv1.2", only(tls.VersionTLS13), 0)
	f("ssl.a.tls_versions = tlsv1.2,tlsv1.1", only(tls.VersionTLS12), tls.VersionTLS12)
	gcm := "ssl.a.ciphers = ECDHE-ECDSA-AES256-GCM-SHA384,ECDHE-ECDSA-DES-CBC3-SHA,DH-DSS-AES128-SHA"
	f(gcm, only(tls.VersionTLS12), tls.VersionTLS12)
	f(gcm, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, 0)
	f("ssl.a.ciphers = TLS_AES_128_GCM_SHA256", only(tls.VersionTLS12), 0)
	f("ssl.a.ciphers = TLS_AES_128_GCM_SHA256", only(tls.VersionTLS13), tls.VersionTLS13)
}

func TestCipherNames(t *testing.T) {
	f := func(names string, spoken, unspoken int, wrong string) {
		t.Helper()
		ids, other, err := cipherSuites(strings.Split(names, ","))
		if len(ids) != spoken || len(other) != unspoken || (err != nil) != (wrong != "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: got %d spoken, %d not, %v", names, len(ids), len(other), err)
		}
	}
	f("ECDHE-RSA-AES128-GCM-SHA256,AES256-SHA", 2, 0, "")
	f("TLS_AES_256_GCM_SHA384", 0, 0, "")
	f("ECDHE-RSA-AES256-SHA384,DHE-DSS-AES256-SHA256,PSK-3DES-EDE-CBC-SHA,RSA-PSK-AES256-GCM-SHA384,DES-CBC3-SHA,ECDH-RSA-RC4-SHA", 0, 6, "")
	f("ECDHE-RSA-AES128-GCM-SHA265", 0, 0, `"ECDHE-RSA-AES128-GCM-SHA265"`)
	f("ECDHE-RSA-AES128-GCM-SHA256,HIGH", 0, 0, `"HIGH"`)
	f("AES128-", 0, 0, `"AES128-"`)
}

// TestShippedCiphers starts with the list of an EMQ X package.
func TestShippedCiphers(t *testing.T) {
	ts := startTestServer(t, "ssl.a = 127.0.0.1:0\nssl.a.ciphers = "+
		"ECDHE-ECDSA-AES256-GCM-SHA384,ECDHE-RSA-AES256-GCM-SHA384,ECDHE-ECDSA-AES256-SHA384,ECDHE-RSA-AES256-SHA384,"+
		"ECDHE-ECDSA-DES-CBC3-SHA,ECDH-ECDSA-AES256-GCM-SHA384,ECDH-RSA-AES256-GCM-SHA384,ECDH-ECDSA-AES256-SHA384,"+
		"DHE-DSS-AES256-GCM-SHA384,DHE-DSS-AES256-SHA256,AES256-GCM-SHA384,AES256-SHA256,ECDHE-ECDSA-AES128-GCM-SHA256,"+
		"DHE-DSS-AES128-SHA256,AES128-GCM-SHA256,AES128-SHA256,ECDHE-ECDSA-AES256-SHA,DHE-DSS-AES256-SHA,AES256-SHA,AES128-SHA")
	if err := tryTLS(t, ts.addr("ssl"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err != nil {
		t.Error(err)
	}
	if n := strings.Count(ts.log.String(), "left out"); n != 1 {
		t.Errorf("suites that are left out are named %d times, want once", n)
	}
}

func TestBadTLSOptions(t *testing.T) {
	ca := newAuthority(t, "root", nil)
	own := ca.issue(pkix.Name{CommonName: "server"})
	missing := filepath.Join(t.TempDir(), "none.pem")
	f := func(options, want string) {
		t.Helper()
		ts := newTestServer(t, "ssl.a = 127.0.0.1:0\n"+options)
		if err := ts.Start(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", options, err, want)
		}
	}
	files := func(cert, key string) string {
		return "ssl.a.certfile = " + cert + "\nssl.a.keyfile = " + key + "\n"
	}
	f("ssl.a.ciphers = AES1", "listener.ssl.a.ciphers: expected names")
	f("ssl.a.ciphers = PSK-RC4-SHA\nssl.a.tls_versions = tlsv1.2", "listener.ssl.a.ciphers: none of the suites")
	f(files(missing, own.keyFile), "listener.ssl.a.certfile: open "+missing)
	f(files(own.keyFile, own.keyFile), "listener.ssl.a.certfile")
	f(files(own.certFile, ca.issue(pkix.Name{CommonName: "other"}).keyFile), "private key does not match")
	f("ssl.a.verify = verify_peer\nssl.a.cacertfile = "+missing, "listener.ssl.a.cacertfile: open")
	f("ssl.a.verify = verify_peer\nssl.a.cacertfile = "+own.keyFile, "expected certificates in PEM")
	f(files(own.certFile, own.keyFile)+"ssl.a.sni.x.certfile = "+missing+"\nssl.a.sni.x.keyfile = k", "listener.ssl.a.sni.x.certfile")
}

func TestServerNames(t *testing.T) {
	ca := newAuthority(t, "root", nil)
	listener := "ssl.a = 127.0.0.1:0\n"
	for key, name := range map[string]string{"": "main.example", `sni.one\.example.`: "one.example", `sni.two\.example.`: "two.example"} {
		p := ca.issue(pkix.Name{CommonName: name})
		listener += fmt.Sprintf("ssl.a.%scertfile = %s\nssl.a.%skeyfile = %s\n", key, p.certFile, key, p.keyFile)
	}
	ts := startTestServer(t, listener)
	f := func(name, want string) {
		t.Helper()
		nc, err := dialTLS(t, ts.addr("ssl"), &tls.Config{InsecureSkipVerify: true, ServerName: name})
		if err != nil {
			t.Fatal(err)
		}
		if got := nc.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
	f("", "main.example")
	f("unknown.example", "main.example")
	f("one.example", "one.example")
	f("ONE.example", "one.example")
	f("two.example", "two.example")
}

func TestClientCertificates(t *testing.T) {
	ca, stranger := newAuthority(t, "root", nil), newAuthority(t, "stranger", nil)
	first := newAuthority(t, "first", ca)
	second := newAuthority(t, "second", first)
	own := ca.issue(pkix.Name{CommonName: "localhost"})
	good, foreign := ca.issue(pkix.Name{CommonName: "good"}), stranger.issue(pkix.Name{CommonName: "foreign"})
	one, two := first.issue(pkix.Name{CommonName: "one"}), second.issue(pkix.Name{CommonName: "two"})
	base := "ssl.a = 127.0.0.1:0\nssl.a.certfile = " + own.certFile + "\nssl.a.keyfile = " + own.keyFile + "\nssl.a.cacertfile = " + ca.file + "\n"

	var none tls.Certificate
	f := func(options string, cert tls.Certificate, ok bool) {
		t.Helper()
		ts := startTestServer(t, base+options)
		for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := &tls.Config{RootCAs: ca.pool(), ServerName: "localhost", MaxVersion: v}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
			if err := tryTLS(t, ts.addr("ssl"), config); (err == nil) != ok {
				t.Errorf("%q, version %x: got %v, want let in: %t", options, v, err, ok)
			}
		}
		if !ok {
			ts.wantEnded("ssl", "ssl_upgrade_error")
		}
	}
	const peer = "ssl.a.verify = verify_peer\n"
	const must = peer + "ssl.a.fail_if_no_peer_cert = true\n"
	f("", none, true)
	f("", foreign.load(t), true) // nobody asks
	f(peer, none, true)
	f(peer, good.load(t), true)
	f(peer, foreign.load(t), false)
	f(must, none, false)
	f(must, good.load(t), true)
	f(must, one.load(t), false) // the certificate between is missing
	f(must, one.load(t, first), true)
	f(must+"ssl.a.depth = 0", one.load(t, first), false)
	f(must+"ssl.a.depth = 1", one.load(t, first), true)
	f(must+"ssl.a.depth = 1", two.load(t, second, first), false)
	f(must+"ssl.a.depth = 2", two.load(t, second, first), true)
}

func TestRevocation(t *testing.T) {
	ca := newAuthority(t, "root", nil)
	own := ca.issue(pkix.Name{CommonName: "localhost"})
	good, bad := ca.issue(pkix.Name{CommonName: "good"}), ca.issue(pkix.Name{CommonName: "bad"})
	list := ca.revoke(bad.cert)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/list" {
			http.ServeFile(w, r, list)
			return
		}
		http.NotFound(w, r)
	}))
	defer web.Close()
	base := "ssl.a = 127.0.0.1:0\nssl.a.certfile = " + own.certFile + "\nssl.a.keyfile = " + own.keyFile + "\nssl.a.cacertfile = " + ca.file +
		"\nssl.a.verify = verify_peer\nssl.a.fail_if_no_peer_cert = true\nssl.a.enable_crl_check = on\nssl.a.crl_cache_urls = "
	try := func(ts *testServer, p issued) error {
		return tryTLS(t, ts.addr("ssl"), &tls.Config{RootCAs: ca.pool(), ServerName: "localhost", Certificates: []tls.Certificate{p.load(t)}})
	}
	f := func(urls string, goodIn bool) {
		t.Helper()
		ts := startTestServer(t, base+urls)
		if err := try(ts, good); (err == nil) != goodIn {
			t.Errorf("%s: a good certificate: got %v, want let in: %t", urls, err, goodIn)
		}
		if try(ts, bad) == nil {
			t.Errorf("%s: a revoked certificate was let in", urls)
		}
	}
	f(list, true)
	f("file://"+list, true)
	f(web.URL+"/list", true)
	f(web.URL+"/other,"+list, true)
	f(web.URL+"/other", false)
	f(newAuthority(t, "root", nil).revoke(), false) // of the same name, but not signed by it

	// A list is read again, and what is revoked then doesn't resume either.
	ts := startTestServer(t, base+list+"\nssl.a.crl_cache_refresh_interval = 20ms")
	config := &tls.Config{RootCAs: ca.pool(), ServerName: "localhost", Certificates: []tls.Certificate{good.load(t)}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	if err := tryTLS(t, ts.addr("ssl"), config); err != nil {
		t.Fatal(err)
	}
	ca.revoke(good.cert)
	if !eventually(func() bool { return tryTLS(t, ts.addr("ssl"), config) != nil }) {
		t.Error("a certificate that was revoked meanwhile is still let in")
	}
	// When the list is gone, the one before counts.
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { return strings.Contains(ts.log.String(), "the one before stays in use") }) {
		t.Error("nothing is said of a list that can't be read")
	}
	if err := try(ts, bad); err != nil {
		t.Errorf("no longer revoked in the last list, and refused: %v", err)
	}
}

func TestResumption(t *testing.T) {
	f := func(options string, version uint16, want bool) {
		t.Helper()
		ts := startTestServer(t, "ssl.a = 127.0.0.1:0\n"+options)
		config := &tls.Config{InsecureSkipVerify: true, ServerName: "x", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
		if err := tryTLS(t, ts.addr("ssl"), config); err != nil {
			t.Fatal(err)
		}
		if err := ts.ReloadCertificates(); err != nil { // tickets outlive it
			t.Fatal(err)
		}
		nc, err := dialTLS(t, ts.addr("ssl"), config)
		if got := nc.ConnectionState().DidResume; err != nil || got != want {
			t.Errorf("%q, version %x: resumed %t, %v, want %t", options, version, got, err, want)
		}
	}
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		f("", v, true)
		f("ssl.a.reuse_sessions = off", v, false)
	}
}

func TestReload(t *testing.T) {
	ca := newAuthority(t, "root", nil)
	before, after := ca.issue(pkix.Name{CommonName: "before"}), ca.issue(pkix.Name{CommonName: "after"})
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	install := func(p issued) {
		t.Helper()
		for from, to := range map[string]string{p.certFile: certFile, p.keyFile: keyFile} {
			text, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(to, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	install(before)
	options := func(l string) string {
		return l + " = 127.0.0.1:0\n" + l + ".certfile = " + certFile + "\n" + l + ".keyfile = " + keyFile + "\n"
	}
	ts := startTestServer(t, options("ssl.a")+options("wss.a")+"tcp.a = 127.0.0.1:0")
	want := func(kind, name string) {
		t.Helper()
		nc, err := dialTLS(t, ts.addr(kind), &tls.Config{RootCAs: ca.pool(), ServerName: name})
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			return
		}
		if kind == "ssl" {
			talk(t, nc, connectPacket("c"), connack)
		}
	}
	open, err := dialTLS(t, ts.addr("ssl"), &tls.Config{RootCAs: ca.pool(), ServerName: "before"})
	if err != nil {
		t.Fatal(err)
	}
	talk(t, open, connectPacket("open"), connack)

	install(after)
	if err := ts.ReloadCertificates(); err != nil {
		t.Fatal(err)
	}
	want("ssl", "after")
	want("wss", "after")
	talk(t, open, ping, pong311)

	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if err := ts.ReloadCertificates(); err == nil || !strings.Contains(err.Error(), "listener.ssl.a.certfile") || !strings.Contains(err.Error(), "listener.wss.a.certfile") {
		t.Errorf("got %v, want both listeners named", err)
	}
	want("ssl", "after")
}

func TestHandshakeTimeout(t *testing.T) {
	ts := startTestServer(t, "ssl.a = 127.0.0.1:0\nssl.a.handshake_timeout = 50ms")
	silent := dial(t, ts.addr("ssl"))
	wantEnd(t, silent)
	ts.wantEnded("ssl", "ssl_upgrade_timeout")

	ts = startTestServer(t, "ssl.a = 127.0.0.1:0") // a busy machine may take 50 ms to write
	wrong := dial(t, ts.addr("ssl"))
	if _, err := wrong.Write(connectPacket("c")); err != nil {
		t.Fatal(err)
	}
	ts.wantEnded("ssl", "ssl_upgrade_error")
	if n := ts.status("ssl").Connections; n != 0 {
		t.Errorf("%d connections are counted, want none", n)
	}
}

// TestHandshakesBesides has many clients that don't finish their handshake,
// beside one that does.
func TestHandshakesBesides(t *testing.T) {
	ts := startTestServer(t, "ssl.a = 127.0.0.1:0")
	for range 100 {
		nc := dial(t, ts.addr("ssl"))
		if _, err := nc.Write([]byte{0x16, 3, 1, 2}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tryTLS(t, ts.addr("ssl"), &tls.Config{InsecureSkipVerify: true}); err != nil {
		t.Error(err)
	}
}

func TestTLSLimits(t *testing.T) {
	insecure := &tls.Config{InsecureSkipVerify: true}
	ts := startTestServer(t, "ssl.a = 127.0.0.1:0\nssl.a.max_connections = 1")
	nc, err := dialTLS(t, ts.addr("ssl"), insecure)
	if err != nil {
		t.Fatal(err)
	}
	talk(t, nc, connectPacket("c"), connack)
	if err := tryTLS(t, ts.addr("ssl"), insecure); err == nil {
		t.Error("one connection too many is let in")
	}
	ts.wantEnded("ssl", "max_connections")
	nc.Close()
	if !eventually(func() bool { return tryTLS(t, ts.addr("ssl"), insecure) == nil }) {
		t.Error("no room again after the first has left")
	}

	denied := startTestServer(t, "ssl.a = 127.0.0.1:0\nssl.a.access.1 = deny all")
	if err := tryTLS(t, denied.addr("ssl"), insecure); err == nil {
		t.Error("a denied address is let in")
	}
	denied.wantEnded("ssl", "access_denied")

	// The rate delays, and refuses nobody.
	slow := startTestServer(t, "ssl.a = 127.0.0.1:0\nssl.a.max_conn_rate = 20")
	from := time.Now()
	for range 25 {
		if err := tryTLS(t, slow.addr("ssl"), insecure); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(from); took < 200*time.Millisecond {
		t.Errorf("25 connections took %v at 20 a second with 20 at once", took)
	}
}

func TestPortTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ts := newTestServer(t, "ssl.a = "+ln.Addr().String())
	if err := ts.Start(); err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("got %v", err)
	}
}
