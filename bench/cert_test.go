package bench

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

// certFiles writes a certificate for 127.0.0.1 that vouches for itself.
func certFiles(t *testing.T) (cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", secret)
}

func listenTLS(t *testing.T, l net.Listener) net.Listener {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})
}

func TestCertificateIsCheckedAgainstTheCA(t *testing.T) {
	cert, key := certFiles(t)
	other, _ := certFiles(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := (&fakeBroker{}).start(t, tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}}))
	good(t, b.port(), "conn -c 1 -S --seconds 0.01 --cafile "+cert)
	if _, code, complaints := bench(t, b.port(), "conn -c 1 -S --seconds 0.01 --cafile "+other); code != exitFailed {
		t.Errorf("a certificate that the CA has not signed is taken: %s", complaints)
	}
	for _, line := range []string{"conn -S --cafile /nowhere", "conn -S --cafile " + key, "conn -S --certfile " + key + " --keyfile " + cert} {
		if _, code, complaints := bench(t, b.port(), line); code == exitOK || complaints == "" {
			t.Errorf("%s: exit code %d, %q", line, code, complaints)
		}
	}
}
