package peers

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Certificates are PEM files of an authority, and of a server and a client it
// has signed. Servers may read them.
type Certificates struct {
	CA                    string
	ServerCert, ServerKey string // of localhost, 127.0.0.1 and ::1
	ClientCert, ClientKey string // of the common name dunlin
	OtherCA               string // an authority that has signed none of them
}

// NewCertificates makes them for one test.
func NewCertificates(t testing.TB) *Certificates {
	t.Helper()
	m := &mint{t: t, dir: newDir(t)}
	c := new(Certificates)
	ca, caKey := m.authority("peers")
	c.CA = m.save("ca.pem", "CERTIFICATE", ca.Raw)
	other, _ := m.authority("others")
	c.OtherCA = m.save("other.pem", "CERTIFICATE", other.Raw)
	c.ServerCert, c.ServerKey = m.signed(ca, caKey, "server", &x509.Certificate{
		Subject:     pkix.Name{CommonName: "localhost"},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	c.ClientCert, c.ClientKey = m.signed(ca, caKey, "client", &x509.Certificate{
		Subject:     pkix.Name{CommonName: "dunlin"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return c
}

// mint makes certificates in a folder.
type mint struct {
	t   testing.TB
	dir string
	n   int64 // the last serial number
}

func (m *mint) authority(name string) (*x509.Certificate, *rsa.PrivateKey) {
	return m.make(&x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}, nil, nil)
}

// signed returns the files of a certificate and its key.
func (m *mint) signed(ca *x509.Certificate, caKey *rsa.PrivateKey, name string, c *x509.Certificate) (cert, key string) {
	m.t.Helper()
	c.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	made, private := m.make(c, ca, caKey)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		m.t.Fatal(err)
	}
	return m.save(name+".pem", "CERTIFICATE", made.Raw), m.save(name+".key", "PRIVATE KEY", der)
}

// make makes a certificate, signed by itself if there is no authority.
func (m *mint) make(c, ca *x509.Certificate, caKey *rsa.PrivateKey) (*x509.Certificate, *rsa.PrivateKey) {
	m.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048) // older servers know no other kind
	if err != nil {
		m.t.Fatal(err)
	}
	m.n++
	c.SerialNumber = big.NewInt(m.n)
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if ca == nil {
		ca, caKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca, key.Public(), caKey)
	if err != nil {
		m.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		m.t.Fatal(err)
	}
	return made, key
}

func (m *mint) save(name, kind string, der []byte) string {
	m.t.Helper()
	return write(m.t, m.dir, name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}
