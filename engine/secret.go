package engine

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"
)

// ClusterTLS names the files of a certificate authority of one's own, in PEM.
// Certificates have to name the host of the node, and serve as client and
// server. All three or none are given.
type ClusterTLS struct {
	CA, Certificate, Key string
}

const (
	// cookieRounds makes a guess at the cookie cost some 50 ms: who connects sees
	// a certificate, and could try cookies against it at leisure.
	cookieRounds = 200_000
	// secretName is what a certificate made from the cookie is issued for. Every
	// node that has the cookie is trusted alike, so that hosts don't matter.
	secretName = "dunlin"
)

// secret is what the nodes of a cluster know and nobody else.
type secret struct {
	tls      *tls.Config // for both ends of a connection
	password string      // proof of the cookie inside of TLS, for when others have certificates of the same authority
}

// newSecret makes it from the cookie. Without files the cookie is the seed of a
// certificate authority that each node makes anew for itself, always the same
// one, so that who doesn't have the cookie can neither connect nor be connected
// to, and the cookie never travels.
func newSecret(cookie, cluster, id string, files ClusterTLS) (*secret, error) {
	if cookie == "" {
		return nil, errors.New("engine: a cluster needs a cookie that all of its nodes share")
	}
	key, err := pbkdf2.Key(sha256.New, cookie, []byte("dunlin cluster "+cluster), cookieRounds, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("engine: cookie: %w", err)
	}
	derive := func(what string) []byte {
		b, e := hkdf.Expand(sha256.New, key, what, ed25519.SeedSize)
		err = errors.Join(err, e)
		return b
	}
	seed, password := derive("authority"), hex.EncodeToString(derive("password"))
	if err != nil {
		return nil, fmt.Errorf("engine: cookie: %w", err)
	}
	s := &secret{password: password}
	if files != (ClusterTLS{}) {
		s.tls, err = files.load()
	} else {
		s.tls, err = ownAuthority(ed25519.NewKeyFromSeed(seed), id)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: TLS between nodes: %w", err)
	}
	return s, nil
}

func (f ClusterTLS) load() (*tls.Config, error) {
	if f.CA == "" || f.Certificate == "" || f.Key == "" {
		return nil, errors.New("an authority, a certificate and a key belong together")
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", f.CA)
	}
	own, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, err
	}
	return mutual(pool, own, ""), nil
}

// ownAuthority makes the certificate of the authority, the same on each node,
// and one for this node, with a key that nobody else has.
func ownAuthority(key ed25519.PrivateKey, id string) (*tls.Config, error) {
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dunlin cluster"},
		// Nodes whose clocks differ, or have no battery, form a cluster too.
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: id}, DNSNames: []string{secretName},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, public, key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return mutual(pool, tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: private}, secretName), nil
}

// mutual is the configuration for both ends; both show a certificate.
func mutual(pool *x509.CertPool, own tls.Certificate, name string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, RootCAs: pool, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, ServerName: name,
		SessionTicketsDisabled: true, // a changed cookie shuts out at once
	}
}
