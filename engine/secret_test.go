package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority signs the certificates of nodes.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	a.key = newKey(t)
	a.cert.Raw = a.sign(t, a.cert, a.key)
	a.file = writePEM(t, filepath.Join(t.TempDir(), "ca.pem"), "CERTIFICATE", a.cert.Raw)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(t *testing.T, c *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// issue writes a certificate for a node, with a number and for some uses, over
// the one in dir.
func (a *authority) issue(t *testing.T, o Options, dir string, number int64, left time.Duration, uses ...x509.ExtKeyUsage) ClusterTLS {
	t.Helper()
	var hosts []net.IP
	for _, where := range []string{o.Cluster.Address, o.Cluster.Door} {
		host, _, err := net.SplitHostPort(where)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, net.ParseIP(host))
	}
	key := newKey(t)
	der := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(number), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(left),
		IPAddresses: hosts, ExtKeyUsage: uses,
	}, key)
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return ClusterTLS{
		CA:          a.file,
		Certificate: writePEM(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", der),
		Key:         writePEM(t, filepath.Join(dir, "key.pem"), "EC PRIVATE KEY", private),
	}
}

func writePEM(t *testing.T, file, what string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: what, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestOwnCertificates: nodes with certificates of one authority form a cluster,
// one with another authority's stays out, and a certificate is renewed while a
// node runs, if the others will accept the new one.
func TestOwnCertificates(t *testing.T) {
	t.Parallel()
	const server, client = x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	ours, theirs, dir := newAuthority(t), newAuthority(t), t.TempDir()
	oa, ob, stranger := node(t, "a"), node(t, "b"), node(t, "c")
	oa.Cluster.TLS = ours.issue(t, oa, dir, 10, time.Hour, server, client)
	ob.Cluster.TLS = ours.issue(t, ob, t.TempDir(), 20, time.Hour, server, client)
	stranger.Cluster.TLS = theirs.issue(t, stranger, t.TempDir(), 30, time.Hour, server, client)
	all := together(t, oa, ob)
	says(t, start(t, stranger).Join(within(t), oa.Cluster.Door), "can't be asked", "certificate")

	// shown is the number of the certificate with which b is met by a.
	shown := func() (number int64) {
		t.Helper()
		conn, err := tls.Dial("tcp", oa.Cluster.Door, all[1].cluster.secret.tls)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	renew := func(number int64, by *authority, left time.Duration, uses ...x509.ExtKeyUsage) error {
		by.issue(t, oa, dir, number, left, uses...)
		return all[0].RenewCertificate()
	}
	if err := renew(11, ours, time.Hour, server, client); err != nil || shown() != 11 {
		t.Errorf("%v; number %d is shown after number 11 was issued", err, shown())
	}
	says(t, renew(12, theirs, time.Hour, server, client), "other nodes would refuse", "cert.pem", "unknown authority")
	says(t, renew(13, ours, -time.Minute, server, client), "other nodes would refuse", "expired")
	says(t, renew(14, ours, time.Hour, server), "other nodes would refuse", "usage")
	if err := os.Remove(oa.Cluster.TLS.Key); err != nil {
		t.Fatal(err)
	}
	says(t, all[0].RenewCertificate(), "key.pem")
	if n := shown(); n != 11 {
		t.Errorf("number %d is shown, 11 was the last that could be used", n)
	}
	if err := started(t).RenewCertificate(); err != nil {
		t.Errorf("without certificates: %v", err)
	}
}
