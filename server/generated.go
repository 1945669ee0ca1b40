package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// generatedFor is how long a generated certificate is good. Nobody renews it
// by hand, and it vouches for nothing but this machine.
const generatedFor = 10 * 365 * 24 * time.Hour

// generatedPair is the certificate of listeners that name none: the one below
// dir, which is made at the first start, and again when it can't be used.
//
// The files are certs/cert.pem, the server's certificate and the authority
// that signed it, so that clients can trust the file as it is, and
// certs/key.pem. The authority's key is kept nowhere: nobody can sign with it.
func generatedPair(dir string, log *slog.Logger) (*tls.Certificate, error) {
	certFile, keyFile := filepath.Join(dir, "certs", "cert.pem"), filepath.Join(dir, "certs", "key.pem")
	pair, err := loadPair(certFile, keyFile, "")
	if err == nil && time.Now().After(pair.Leaf.NotAfter) {
		err = fmt.Errorf("it expired on %s", pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	switch {
	case err == nil:
		return pair, nil
	case !errors.Is(err, fs.ErrNotExist):
		log.Warn("the generated certificate can't be used and is made again; clients must be told to trust the new one", "file", certFile, "err", err)
	}
	cert, key, err := generate(time.Now())
	if err == nil {
		err = os.MkdirAll(filepath.Dir(certFile), 0o755)
	}
	if err == nil {
		err = writeFile(keyFile, key, 0o600)
	}
	if err == nil {
		err = writeFile(certFile, cert, 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("can't make a certificate: %w", err)
	}
	log.Info("a certificate is made for the TLS listeners that name none", "file", certFile)
	return loadPair(certFile, keyFile, "")
}

// generate makes an authority and a certificate signed by it for this machine:
// PEM of the chain, and of the certificate's key.
func generate(now time.Time) (chain, key []byte, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	ownKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	ca := template(now, "Dunlin generated authority")
	ca.IsCA, ca.MaxPathLenZero, ca.BasicConstraintsValid = true, true, true
	ca.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	own := template(now, "localhost")
	own.KeyUsage, own.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	own.DNSNames, own.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if host, err := os.Hostname(); err == nil && host != "localhost" {
		own.DNSNames = append(own.DNSNames, host)
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, nil, err
	}
	ownDER, err := x509.CreateCertificate(rand.Reader, own, ca, &ownKey.PublicKey, caKey)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(ownKey)
	if err != nil {
		return nil, nil, err
	}
	chain = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ownDER})
	chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})...)
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

func template(now time.Time, name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // crypto/rand doesn't fail
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name, Organization: []string{"Dunlin"}},
		NotBefore:    now.Add(-time.Hour), // for clients whose clock is a little behind
		NotAfter:     now.Add(generatedFor),
	}
}

// writeFile replaces a file at once: whoever reads it sees the old text or the
// new, also after a crash.
func writeFile(name string, data []byte, perm fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name()) //nolint:errcheck // the first error is the one to report
	}
	return err
}
