package api

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// Config is management.*, EMQ X's emqx_management.conf.
type Config struct {
	HTTP  HTTP  `conf:"listener.http"`
	HTTPS HTTPS `conf:"listener.https"`

	// MaxRowLimit is the length of a page that gives no _limit, and the longest
	// a page can be.
	MaxRowLimit int `conf:"max_row_limit" range:"1.."`

	// DefaultID and DefaultSecret are an app that is made if it isn't there.
	// Without a secret an app is made only if there is none at all, with a
	// random one.
	DefaultID     string `conf:"default_application.id"`
	DefaultSecret string `conf:"default_application.secret"`
	// NewSecret is given to new apps that bring none; empty: a random one.
	NewSecret string `conf:"application.default_secret"`
	// BootstrapFile holds lines app_id:secret: apps that are made if they
	// aren't there.
	BootstrapFile string `conf:"bootstrap_apps_file"`
}

// Dashboard is dashboard.*, EMQ X's emqx_dashboard.conf.
type Dashboard struct {
	HTTP  HTTP  `conf:"listener.http"`
	HTTPS HTTPS `conf:"listener.https"`

	// DefaultUser and DefaultPassword are a user who is made if he isn't there.
	// Without a password he is made only if there is none at all, with a random
	// one that he has to change.
	DefaultUser     string `conf:"default_user.login"`
	DefaultPassword string `conf:"default_user.password"`
	// SessionExpiry is how long a login lasts after its last request.
	SessionExpiry config.Duration `conf:"token_expired_time"`
}

// HTTP is listener.http of either, and the keys below it.
type HTTP struct {
	Addresses  Addresses `conf:"."`
	MaxClients int       `conf:"max_clients" range:"1.."` // connections at once
}

// HTTPS is listener.https of either, and the keys below it.
type HTTPS struct {
	HTTP
	CertFile         string      `conf:"certfile"`
	KeyFile          string      `conf:"keyfile"`
	CACertFile       string      `conf:"cacertfile"` // who signs the certificates of callers
	Verify           string      `conf:"verify" oneof:"verify_peer verify_none"`
	FailIfNoPeerCert config.Flag `conf:"fail_if_no_peer_cert"`
	Versions         []string    `conf:"tls_versions" oneof:"tlsv1.3 tlsv1.2 tlsv1.1 tlsv1"` // empty: 1.2 and 1.3
}

// Addresses are where a listener accepts: one address, as EMQ X has it, or
// several with commas between them; none is written off.
type Addresses []config.Address

// UnmarshalText reads the value of a listener.
func (a *Addresses) UnmarshalText(text []byte) error {
	*a = nil
	for one := range strings.SplitSeq(string(text), ",") {
		var address config.Address
		if err := address.UnmarshalText([]byte(strings.TrimSpace(one))); err != nil {
			return err
		}
		if !address.Off() {
			*a = append(*a, address)
		}
	}
	return nil
}

// String returns what UnmarshalText reads.
func (a Addresses) String() string {
	if len(a) == 0 {
		return "off"
	}
	var all []string
	for _, one := range a {
		all = append(all, one.String())
	}
	return strings.Join(all, ",")
}

// SetDefaults gives the values of a configuration that says nothing: this
// machine only, at the ports of EMQ X 3 and of EMQ X 4.
func (c *Config) SetDefaults() {
	c.HTTP.Addresses = Addresses{config.NewAddress("127.0.0.1", 8080), config.NewAddress("127.0.0.1", 8081)}
	c.HTTP.MaxClients, c.HTTPS.MaxClients, c.HTTPS.Verify = 512, 512, "verify_none"
	c.MaxRowLimit, c.DefaultID = 10000, "admin"
}

// SetDefaults gives the values of a configuration that says nothing: this
// machine only.
func (d *Dashboard) SetDefaults() {
	d.HTTP.Addresses = Addresses{config.NewAddress("127.0.0.1", 18083)}
	d.HTTP.MaxClients, d.HTTPS.MaxClients, d.HTTPS.Verify = 512, 512, "verify_none"
	d.DefaultUser, d.SessionExpiry = "admin", time.Hour
}

// Validate checks what no single value shows.
func (c *Config) Validate() error {
	return errors.Join(c.HTTPS.check(), checkLogin("default_application.id", c.DefaultID))
}

// Validate checks what no single value shows.
func (d *Dashboard) Validate() error {
	err := errors.Join(d.HTTPS.check(), checkLogin("default_user.login", d.DefaultUser))
	if d.SessionExpiry < time.Second {
		err = errors.Join(err, config.Invalid("token_expired_time", "expected at least 1s, found %v", d.SessionExpiry))
	}
	return err
}

// checkLogin refuses a name that HTTP's Basic authentication can't say.
func checkLogin(key, name string) error {
	if name == "" || strings.Contains(name, ":") {
		return config.Invalid(key, "expected a name without a colon, found %q", name)
	}
	return nil
}

// check checks what no single value of the listener shows.
func (h *HTTPS) check() error {
	var errs []error
	if len(h.Addresses) > 0 && (h.CertFile == "" || h.KeyFile == "") {
		errs = append(errs, config.Invalid("listener.https", "needs listener.https.certfile and listener.https.keyfile"))
	}
	if h.Verify == "verify_peer" && h.CACertFile == "" {
		errs = append(errs, config.Invalid("listener.https.verify", "verify_peer needs a cacertfile to check callers' certificates against"))
	}
	if h.FailIfNoPeerCert && h.Verify != "verify_peer" {
		errs = append(errs, config.Invalid("listener.https.fail_if_no_peer_cert", "needs verify = verify_peer, or no certificate is asked for"))
	}
	if len(h.Versions) > 0 && !slices.Contains(h.Versions, "tlsv1.2") && !slices.Contains(h.Versions, "tlsv1.3") {
		errs = append(errs, config.Invalid("listener.https.tls_versions", "expected tlsv1.2 or tlsv1.3 among them; older versions are not spoken"))
	}
	return errors.Join(errs...)
}
