package connector

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"slices"

	"github.com/dunlin-mq/dunlin/config"
)

// TLS are the keys of encryption towards a system, in every spelling of EMQ X
// that stands below one word. Declare it as
//
//	TLS connector.TLS `conf:"ssl" alias:"ssl_opts"`
//
// The word itself, `ssl = on`, turns encryption on.
type TLS struct {
	Enable bool `conf:"."`

	// CACertFile holds the authorities that sign the system's certificate; ""
	// means those of the operating system. The three are PEM files.
	CACertFile string `conf:"cacertfile" alias:"cafile"`
	CertFile   string `conf:"certfile"` // what we show
	KeyFile    string `conf:"keyfile"`

	Verify Verify `conf:"verify"`
	// ServerName is the name asked for, and expected in the certificate; ""
	// means the host connected to. `disable` asks for none and takes a
	// certificate of any name.
	ServerName string   `conf:"server_name_indication"`
	Versions   []string `conf:"tls_versions" oneof:"tlsv1.3 tlsv1.2 tlsv1.1 tlsv1"` // empty means 1.2 and 1.3
}

// Verify says whether the system has to prove who it is. Without that TLS
// encrypts, and whoever can redirect the connection can read along.
type Verify bool

// UnmarshalText reads true and false, on and off, verify_peer and verify_none.
func (v *Verify) UnmarshalText(text []byte) error {
	switch string(text) {
	case "true", "on", "verify_peer":
		*v = true
	case "false", "off", "verify_none":
		*v = false
	default:
		return config.Expected("true, false, verify_peer or verify_none", string(text))
	}
	return nil
}

// String returns what UnmarshalText reads.
func (v Verify) String() string {
	if v {
		return "true"
	}
	return "false"
}

// Files returns the fields that are paths, for whoever resolves relative ones.
func (t *TLS) Files() []*string { return []*string{&t.CACertFile, &t.CertFile, &t.KeyFile} }

// Validate checks what no single value shows. What isn't used isn't checked.
func (t *TLS) Validate() error {
	if !t.Enable {
		return nil
	}
	var errs []error
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		errs = append(errs, config.Invalid("certfile", "needs a keyfile as well"))
	case t.CertFile == "" && t.KeyFile != "":
		errs = append(errs, config.Invalid("keyfile", "needs a certfile as well"))
	}
	if len(t.Versions) > 0 && !t.speaks("tlsv1.2") && !t.speaks("tlsv1.3") {
		errs = append(errs, config.Invalid("tls_versions", "expected tlsv1.2 or tlsv1.3 among them; older versions are not spoken"))
	}
	return errors.Join(errs...)
}

func (t *TLS) speaks(version string) bool {
	return len(t.Versions) == 0 || slices.Contains(t.Versions, version)
}

// Config reads the files. It returns nil when encryption is off; ServerName is
// left empty when it is to be the host connected to. An error is made by
// config.Invalid, its key below that of the TLS.
func (t *TLS) Config() (*tls.Config, error) {
	if !t.Enable {
		return nil, nil
	}
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: !bool(t.Verify),
		ServerName:         t.ServerName,
		CipherSuites:       cipherSuites(),
	}
	if !t.speaks("tlsv1.2") {
		c.MinVersion = tls.VersionTLS13
	}
	if !t.speaks("tlsv1.3") {
		c.MaxVersion = tls.VersionTLS12
	}
	if err := t.readFiles(c); err != nil {
		return nil, err
	}
	if t.ServerName == "disable" {
		c.ServerName, c.InsecureSkipVerify = "", true
		if t.Verify {
			c.VerifyConnection = anyName(c.RootCAs)
		}
	}
	return c, nil
}

// cipherSuites are those of crypto/tls and, for servers of the years before
// 2019 that know nothing better, such as MySQL 8.0.15, two that don't protect
// recordings of today against keys stolen tomorrow.
func cipherSuites() []uint16 {
	var ids []uint16
	for _, s := range tls.CipherSuites() {
		ids = append(ids, s.ID)
	}
	return append(ids, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_GCM_SHA256)
}

func (t *TLS) readFiles(c *tls.Config) error {
	if t.CACertFile != "" {
		text, err := os.ReadFile(t.CACertFile)
		if err != nil {
			return config.Invalid("cacertfile", "%v", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return config.Invalid("cacertfile", "%s: expected certificates in PEM", t.CACertFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return config.Invalid("certfile", "%s with %s: %v", t.CertFile, t.KeyFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// anyName verifies a certificate as crypto/tls does, but for the name in it.
func anyName(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		chain := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, cert := range s.PeerCertificates[1:] {
			chain.Intermediates.AddCert(cert)
		}
		_, err := s.PeerCertificates[0].Verify(chain)
		return err
	}
}
