package api

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
)

// certificates are the files of one https listener, which can be read again
// while it is open: connections that are there keep what they began with.
type certificates struct {
	key     string // of the listener
	files   *HTTPS
	current atomic.Pointer[tls.Config]
}

// load reads the files; after an error those read before stay in use.
func (c *certificates) load() error {
	read, err := c.files.tls(c.key)
	if err == nil {
		c.current.Store(read)
	}
	return err
}

// config is what a listener is opened with.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil },
	}
}

// tls reads the files of the listener that key names.
func (h *HTTPS) tls(key string) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(h.CertFile, h.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s.certfile = %s: %w", key, h.CertFile, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if len(h.Versions) > 0 && !slices.Contains(h.Versions, "tlsv1.2") {
		c.MinVersion = tls.VersionTLS13
	}
	if len(h.Versions) > 0 && !slices.Contains(h.Versions, "tlsv1.3") {
		c.MaxVersion = tls.VersionTLS12
	}
	if h.Verify != "verify_peer" {
		return c, nil
	}
	pem, err := os.ReadFile(h.CACertFile)
	if err != nil {
		return nil, fmt.Errorf("%s.cacertfile: %w", key, err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s.cacertfile = %s: expected certificates in PEM", key, h.CACertFile)
	}
	if h.FailIfNoPeerCert {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// ReloadCertificates reads the files of the https listeners again. Of a
// listener whose files can't be used, those in use stay.
func (s *Server) ReloadCertificates() error {
	s.mu.Lock()
	opened := slices.Clone(s.listeners)
	s.mu.Unlock()
	var errs []error
	for _, l := range opened {
		if l.certificates != nil {
			errs = append(errs, l.certificates.load())
		}
	}
	return errors.Join(errs...)
}
