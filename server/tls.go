package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// credentials are what a TLS listener shows and checks. They can be replaced
// while connections come in; those that are open keep theirs.
type credentials struct {
	current atomic.Pointer[tls.Config]
	stop    context.CancelFunc // the refreshing of revocation lists
}

// config is the configuration of the listener: the same object for good, so
// that session tickets outlive a reload.
func (k *credentials) config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return k.current.Load(), nil },
	}
}

// startTLS reads the listener's certificates, unless they have been read.
func (l *listener) startTLS() error {
	if l.tls != nil {
		return nil
	}
	fresh, lists, err := l.readTLS()
	if err != nil {
		return err
	}
	l.tls = new(credentials)
	l.useTLS(fresh, lists)
	return nil
}

// useTLS puts what readTLS has read in the place of what was there.
func (l *listener) useTLS(fresh *tls.Config, lists *revocations) {
	if l.tls.stop != nil {
		l.tls.stop()
		l.tls.stop = nil
	}
	l.tls.current.Store(fresh)
	if lists != nil {
		ctx, stop := context.WithCancel(context.Background())
		l.tls.stop = stop
		l.server.streams.Go(func() { lists.refresh(ctx) })
	}
}

// ReloadCertificates reads the certificates, keys and revocation lists of all
// listeners again. New connections get the new ones; open ones stay. If any of
// them can't be read, all listeners keep what they have. It blocks while it
// reads.
func (s *Server) ReloadCertificates() error {
	s.changing.Lock()
	defer s.changing.Unlock()
	type reloaded struct {
		fresh *tls.Config
		lists *revocations
	}
	all := make(map[*listener]reloaded)
	var errs []error
	for _, l := range s.opened() {
		if l.tls == nil || !l.running() {
			continue
		}
		fresh, lists, err := l.readTLS()
		errs = append(errs, err)
		all[l] = reloaded{fresh, lists}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for l, r := range all {
		l.useTLS(r.fresh, r.lists)
	}
	return nil
}

// readTLS makes a configuration of the listener's options; lists is nil if
// none are to be asked.
func (l *listener) readTLS() (fresh *tls.Config, lists *revocations, err error) {
	t, key := l.cfg.TLS, l.cfg.Key()
	fresh = &tls.Config{SessionTicketsDisabled: !t.ReuseSessions}
	if err := l.setVersions(fresh); err != nil {
		return nil, nil, err
	}
	if err := l.setCertificates(fresh); err != nil {
		return nil, nil, err
	}
	if t.Verify != "verify_peer" {
		return fresh, nil, nil
	}
	if t.EnableCRLCheck {
		lists = newRevocations(t, l.server.log.With("listener", key))
		if err := lists.load(context.Background()); err != nil {
			l.server.log.Error("clients with a certificate of an authority whose revocation list is missing are refused",
				"key", key+".crl_cache_urls", "err", err)
		}
	}
	return fresh, lists, l.setVerification(fresh, lists)
}

// setVersions chooses versions and cipher suites.
func (l *listener) setVersions(fresh *tls.Config) error {
	t, key := l.cfg.TLS, l.cfg.Key()
	fresh.MinVersion, fresh.MaxVersion = tls.VersionTLS12, tls.VersionTLS13
	if len(t.Versions) > 0 {
		if !slices.Contains(t.Versions, "tlsv1.2") {
			fresh.MinVersion = tls.VersionTLS13
		}
		if !slices.Contains(t.Versions, "tlsv1.3") {
			fresh.MaxVersion = tls.VersionTLS12
		}
	}
	if l.cfg.Kind == "quic" {
		if fresh.MaxVersion < tls.VersionTLS13 {
			return fmt.Errorf("%s.tls_versions: QUIC needs tlsv1.3 among them", key)
		}
		fresh.NextProtos = []string{"mqtt"}
	}
	if len(t.Ciphers) == 0 {
		return nil
	}
	ids, unspoken, err := cipherSuites(t.Ciphers)
	if err != nil {
		return fmt.Errorf("%s.ciphers: %w", key, err)
	}
	if len(unspoken) > 0 {
		l.server.log.Info("cipher suites that are configured but not spoken are left out", "key", key+".ciphers", "suites", unspoken)
	}
	switch {
	case len(ids) > 0:
		fresh.CipherSuites = ids
	case fresh.MaxVersion == tls.VersionTLS12:
		return fmt.Errorf("%s.ciphers: none of the suites named is spoken, and tls_versions has only TLS 1.2", key)
	default:
		fresh.MinVersion = tls.VersionTLS13
	}
	return nil
}

// setCertificates loads the listener's own certificate and those for names.
func (l *listener) setCertificates(fresh *tls.Config) error {
	t, key := l.cfg.TLS, l.cfg.Key()
	var own *tls.Certificate
	var err error
	if t.CertFile == "" {
		own, err = generatedPair(l.server.options.DataDir, l.server.log)
	} else {
		own, err = loadPair(t.CertFile, t.KeyFile, t.KeyPassword)
	}
	if err != nil {
		return fmt.Errorf("%s.certfile: %w", key, err)
	}
	fresh.Certificates = []tls.Certificate{*own}
	if len(t.SNI) == 0 {
		return nil
	}
	named := make(map[string]*tls.Certificate, len(t.SNI))
	for host, files := range t.SNI {
		pair, err := loadPair(files.CertFile, files.KeyFile, t.KeyPassword)
		if err != nil {
			return fmt.Errorf("%s.sni.%s.certfile: %w", key, host, err)
		}
		named[strings.ToLower(host)] = pair
	}
	fresh.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if pair := named[strings.ToLower(hello.ServerName)]; pair != nil {
			return pair, nil
		}
		return own, nil
	}
	return nil
}

// setVerification asks clients for certificates. They are verified here and
// not by crypto/tls, as EMQ X doesn't ask that a certificate was issued for
// clients, and so that resumed sessions are checked again.
func (l *listener) setVerification(fresh *tls.Config, lists *revocations) error {
	t, key := l.cfg.TLS, l.cfg.Key()
	text, err := os.ReadFile(t.CACertFile)
	if err != nil {
		return fmt.Errorf("%s.cacertfile: %w", key, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s.cacertfile: %s: expected certificates in PEM", key, t.CACertFile)
	}
	fresh.ClientCAs = roots // told to clients, so that they can choose
	fresh.ClientAuth = tls.RequestClientCert
	if t.FailIfNoPeerCert {
		fresh.ClientAuth = tls.RequireAnyClientCert
	}
	fresh.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return nil
		}
		return verifyClient(state.PeerCertificates, roots, t.Depth, lists)
	}
	return nil
}

// verifyClient looks for a chain from the client's certificate to a root with
// at most depth certificates between, none of them revoked.
func verifyClient(shown []*x509.Certificate, roots *x509.CertPool, depth int, lists *revocations) error {
	between := x509.NewCertPool()
	for _, cert := range shown[1:] {
		between.AddCert(cert)
	}
	chains, err := shown[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return err
	}
	err = fmt.Errorf("the chain of certificates is longer than depth = %d allows", depth)
	for _, chain := range chains {
		if len(chain)-2 > depth {
			continue
		}
		if lists == nil {
			return nil
		}
		if err = lists.check(chain); err == nil {
			return nil
		}
	}
	return err
}
