package server

import (
	"crypto/md5"
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestPeerCertNames(t *testing.T) {
	ca := newAuthority(t, "root", nil)
	own := ca.issue(namedCert("localhost"))
	lamp := ca.issue(pkix.Name{CommonName: "lamp", Organization: []string{"Acme, Inc."}, OrganizationalUnit: []string{"lights"}, Country: []string{"DE"}})
	text, err := os.ReadFile(lamp.certFile)
	if err != nil {
		t.Fatal(err)
	}
	const dn = `CN=lamp,OU=lights,O=Acme\, Inc.,C=DE`
	f := func(option, want string, fromCert bool) {
		t.Helper()
		ts := startTestServer(t, "ssl.a = 127.0.0.1:0\nssl.a.certfile = "+own.certFile+"\nssl.a.keyfile = "+own.keyFile+
			"\nssl.a.verify = verify_peer\nssl.a.cacertfile = "+ca.file+"\n"+option)
		clients := ts.clients()
		config := &tls.Config{InsecureSkipVerify: true}
		if fromCert {
			config.Certificates = []tls.Certificate{lamp.load(t)}
		}
		if err := tryTLS(t, ts.addr("ssl"), config); err != nil {
			t.Fatal(err)
		}
		c := clients()[0]
		got := c.Username
		if strings.Contains(option, "clientid") {
			got = c.ClientID
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", option, got, want)
		}
		if fromCert && (c.Cert == nil || c.Cert.CommonName != "lamp" || c.Cert.Subject != dn) {
			t.Errorf("%s: the hooks see %+v", option, c.Cert)
		}
	}
	const user, id = "ssl.a.peer_cert_as_username = ", "ssl.a.peer_cert_as_clientid = "
	f(user+"cn", "lamp", true)
	f(user+"dn", dn, true)
	f(user+"crt", string(lamp.cert.Raw), true)
	f(user+"pem", string(text), true)
	f(user+"md5", fmt.Sprintf("%x", md5.Sum(lamp.cert.Raw)), true)
	f(user+"cn", "", false)
	f(id+"cn", "lamp", true)
	f(id+"md5", fmt.Sprintf("%x", md5.Sum(lamp.cert.Raw)), true)
	f(id+"cn", "c", false)
	f("", "", true)
}
