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
	"sync/atomic"
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
	own      atomic.Pointer[tls.Certificate]
	files    ClusterTLS
	password string // proof of the cookie inside of TLS, for when others have certificates of the same authority
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
	s := &secret{password: password, files: files}
	if files != (ClusterTLS{}) {
		err = s.load()
	} else {
		err = s.make(ed25519.NewKeyFromSeed(seed), id)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: TLS between nodes: %w", err)
	}
	return s, nil
}

// load takes the certificates of the files.
func (s *secret) load() error {
	f := s.files
	if f.CA == "" || f.Certificate == "" || f.Key == "" {
		return errors.New("an authority, a certificate and a key belong together")
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s has no certificate in PEM", f.CA)
	}
	own, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return err
	}
	s.mutual(pool, &own, "")
	return nil
}

// renew takes the certificate and key of the files for the connections to come,
// if the others will accept it, as far as this node can tell.
func (s *secret) renew() error {
	f := s.files
	if f == (ClusterTLS{}) {
		return nil
	}
	own, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return err
	}
	between := x509.NewCertPool()
	for _, der := range own.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Certificate, err)
		}
		between.AddCert(c)
	}
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		o := x509.VerifyOptions{Roots: s.tls.RootCAs, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{use}}
		if _, err := own.Leaf.Verify(o); err != nil {
			return fmt.Errorf("other nodes would refuse %s: %w", f.Certificate, err)
		}
	}
	s.own.Store(&own)
	return nil
}

// RenewCertificate reads the certificate and key of ClusterTLS again, which
// connections to come will show; those that are there stay. The authority stays
// what it was at the start. After an error, which says what other nodes would
// refuse or what can't be read, the one in use stays. Without ClusterTLS there
// is nothing to do.
func (e *Engine) RenewCertificate() error {
	if e.cluster == nil {
		return nil
	}
	if err := e.cluster.secret.renew(); err != nil {
		return fmt.Errorf("engine: TLS between nodes: %w", err)
	}
	return nil
}

// make makes the certificate of the authority, the same on each node, and one
// for this node, with a key that nobody else has.
func (s *secret) make(key ed25519.PrivateKey, id string) error {
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dunlin cluster"},
		// Nodes whose clocks differ, or have no battery, form a cluster too.
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: id}, DNSNames: []string{secretName},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		return err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, public, key)
	if err != nil {
		return err
	}
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	s.mutual(pool, &tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: private}, secretName)
	return nil
}

// mutual sets the configuration for both ends; both show a certificate.
func (s *secret) mutual(pool *x509.CertPool, own *tls.Certificate, name string) {
	s.own.Store(own)
	s.tls = &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: pool, ClientCAs: pool,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.own.Load(), nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return s.own.Load(), nil },
		ClientAuth:           tls.RequireAndVerifyClientCert, ServerName: name,
		SessionTicketsDisabled: true, // a changed cookie shuts out at once
	}
}
