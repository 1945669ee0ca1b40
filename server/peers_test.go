package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/internal/testlog"
)

// TestMosquittoTLS has Mosquitto's clients come over TLS, with the generated
// certificate and with certificates both ways.
func TestMosquittoTLS(t *testing.T) {
	need(t, "mosquitto_pub", "mosquitto_sub")
	ca := newAuthority(t, "root", nil)
	own, lamp, stranger := ca.issue(namedCert("localhost")), ca.issue(namedCert("lamp")), newAuthority(t, "other", nil).issue(namedCert("x"))
	generated := startTestServer(t, "ssl.a = 127.0.0.1:0")
	strict := startTestServer(t, "ssl.a = 127.0.0.1:0\nssl.a.certfile = "+own.certFile+"\nssl.a.keyfile = "+own.keyFile+
		"\nssl.a.cacertfile = "+ca.file+"\nssl.a.verify = verify_peer\nssl.a.fail_if_no_peer_cert = true\nssl.a.peer_cert_as_username = cn")
	clients := strict.clients()

	f := func(ts *testServer, ok bool, options ...string) {
		t.Helper()
		for _, version := range []string{"mqttv31", "mqttv311", "mqttv5"} {
			args := append([]string{"-h", "localhost", "-p", ts.port("ssl"), "-V", version, "-q", "2", "-t", "t/" + version, "-m", "hi", "-r"}, options...)
			if out, err := run(t, "mosquitto_pub", args...); (err == nil) != ok {
				t.Errorf("mosquitto_pub %s: %v, %s; want success: %t", strings.Join(args, " "), err, out, ok)
			}
			if !ok {
				continue
			}
			args = append([]string{"-h", "localhost", "-p", ts.port("ssl"), "-V", version, "-q", "2", "-t", "t/+", "-C", "1", "-W", "5"}, options...)
			if got := mustRun(t, "mosquitto_sub", args...); got != "hi\n" {
				t.Errorf("mosquitto_sub %s: got %q", strings.Join(args, " "), got)
			}
		}
	}
	f(generated, true, "--cafile", filepath.Join(generated.dir, "certs", "cert.pem"))
	f(generated, true, "--cafile", filepath.Join(generated.dir, "certs", "cert.pem"), "--tls-version", "tlsv1.2")
	f(generated, false, "--cafile", ca.file)
	f(strict, false, "--cafile", ca.file)
	f(strict, false, "--cafile", ca.file, "--cert", stranger.certFile, "--key", stranger.keyFile)
	f(strict, true, "--cafile", ca.file, "--cert", lamp.certFile, "--key", lamp.keyFile)
	for _, c := range clients() {
		if c.Username != "lamp" {
			t.Errorf("got the user name %q, want that of the certificate", c.Username)
		}
	}
}

// TestOpenSSL has another implementation of TLS look at versions, suites,
// resumption, certificates and revocation.
func TestOpenSSL(t *testing.T) {
	need(t, "openssl")
	ca := newAuthority(t, "root", nil)
	own, good, bad := ca.issue(namedCert("localhost")), ca.issue(namedCert("good")), ca.issue(namedCert("bad"))
	base := "ssl.a = 127.0.0.1:0\nssl.a.certfile = " + own.certFile + "\nssl.a.keyfile = " + own.keyFile + "\n"
	session := filepath.Join(t.TempDir(), "session")

	// ask sends a CONNECT and returns what OpenSSL says, and whether it got a
	// CONNACK.
	ask := func(ts *testServer, args ...string) (string, bool) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "openssl", append([]string{"s_client", "-connect", ts.addr("ssl"), "-CAfile", ca.file}, args...)...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out testlog.Log
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); cmd.Wait() }()
		in.Write(connectPacket("c")) // fails when the handshake has
		let := eventually(func() bool {
			select {
			case <-ended:
				return true
			default:
				return strings.Contains(out.String(), string(connack))
			}
		})
		cmd.Process.Kill()
		<-ended
		return out.String(), let && strings.Contains(out.String(), string(connack))
	}
	f := func(options string, ok bool, want string, args ...string) {
		t.Helper()
		ts := startTestServer(t, base+options)
		if out, let := ask(ts, args...); let != ok || !strings.Contains(out, want) {
			t.Errorf("%q, openssl %v: let in: %t, want %t and %q in\n%s", options, args, let, ok, want, out)
		}
	}
	f("", true, "TLSv1.3, Cipher is TLS_", "-tls1_3")
	f("", true, "TLSv1.2, Cipher is ECDHE", "-tls1_2")
	f("", false, "", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
	f("ssl.a.tls_versions = tlsv1.2", false, "", "-tls1_3")
	f("ssl.a.ciphers = ECDHE-ECDSA-AES256-SHA", true, "Cipher is ECDHE-ECDSA-AES256-SHA", "-tls1_2", "-cipher", "ALL:@SECLEVEL=0")
	f("ssl.a.ciphers = ECDHE-ECDSA-AES256-SHA", false, "", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
	f("", true, "Verify return code: 0 (ok)", "-verify_return_error")

	strict := "ssl.a.verify = verify_peer\nssl.a.fail_if_no_peer_cert = true\nssl.a.cacertfile = " + ca.file + "\n"
	crl := strict + "ssl.a.enable_crl_check = on\nssl.a.crl_cache_urls = " + ca.revoke(bad.cert)
	f(strict, false, "certificate required")
	f(strict, true, "", "-cert", bad.certFile, "-key", bad.keyFile)
	f(crl, false, "bad certificate", "-cert", bad.certFile, "-key", bad.keyFile)
	f(crl, true, "", "-cert", good.certFile, "-key", good.keyFile)

	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		for _, on := range []bool{true, false} {
			ts := startTestServer(t, base+fmt.Sprintf("ssl.a.reuse_sessions = %s", map[bool]string{true: "on", false: "off"}[on]))
			os.Remove(session)
			ask(ts, version, "-sess_out", session)
			if _, err := os.Stat(session); err != nil {
				if on {
					t.Errorf("%s: no session to resume", version)
				}
				continue
			}
			if out, let := ask(ts, version, "-sess_in", session); !let || strings.Contains(out, "Reused, TLS") != on {
				t.Errorf("%s, reuse_sessions %t: let in: %t\n%s", version, on, let, out)
			}
		}
	}
}
