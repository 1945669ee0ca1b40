package jwt

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// Config is auth.jwt.*.
type Config struct {
	From string `conf:"from" oneof:"username password"` // the field of CONNECT that holds the token

	// Secret proves HS256, HS384 and HS512. There is no default: a secret that
	// everybody can look up lets everybody in.
	Secret       string      `conf:"secret"`
	SecretBase64 config.Flag `conf:"secret_base64_encoded"` // Secret is written in base64
	// Pubkey is a PEM file with a public key or a certificate: RSA for RS* and
	// PS*, an elliptic curve for ES*, Ed25519 for EdDSA.
	Pubkey string `conf:"pubkey"`
	// JWKS is the URL of a key set. Once it has been read it decides about
	// every token that names its key (kid), and the keys above about others.
	JWKS            string        `conf:"jwks"`
	RefreshInterval time.Duration `conf:"jwks.refresh_interval"`

	// SignatureFormat of ES*: raw is that of RFC 7518, 3.4; der also takes
	// ASN.1, which libraries for EMQ X before 4.3 made.
	SignatureFormat string `conf:"signature_format" oneof:"der raw"`

	VerifyClaims config.Flag       `conf:"verify_claims"`
	Claims       map[string]string `conf:"verify_claims.$name"` // %u, %c or a text: what the claim must be
	ACLClaim     string            `conf:"acl_claim_name"`
	// DisconnectAfterExpire ends a connection when its token expires.
	DisconnectAfterExpire config.Flag `conf:"disconnect_after_expire"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	c.From, c.SignatureFormat, c.ACLClaim = "password", "der", "acl"
	c.RefreshInterval = 5 * time.Minute
	c.DisconnectAfterExpire = true
}

// Files returns the fields that are paths, for whoever resolves relative ones.
func (c *Config) Files() []*string { return []*string{&c.Pubkey} }

// Validate checks what no single value shows, also of a provider that is off.
func (c *Config) Validate() error {
	var errs []error
	if c.JWKS != "" {
		if u, err := url.Parse(c.JWKS); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			errs = append(errs, config.Invalid("jwks", "expected a URL such as https://example.org/jwks.json"))
		}
	}
	if c.RefreshInterval < time.Second {
		errs = append(errs, config.Invalid("jwks.refresh_interval", "expected at least 1s"))
	}
	if c.ACLClaim == "" {
		errs = append(errs, config.Invalid("acl_claim_name", "expected the name of a claim, found nothing"))
	}
	if _, err := c.secret(); err != nil {
		errs = append(errs, err)
	}
	for _, name := range config.Names(c.Claims) {
		if want := c.Claims[name]; want == "" || strings.Contains(want, "%") && !isPlaceholder(want) {
			errs = append(errs, config.Invalid(config.Key("verify_claims", name), "expected %%u, %%c or a text without %%, found %q", want))
		}
	}
	return errors.Join(errs...)
}

// Complete says what a provider that is switched on lacks.
func (c *Config) Complete() error {
	if c.Secret == "" && c.Pubkey == "" && c.JWKS == "" {
		return config.Invalid("secret", "a secret, pubkey or jwks is needed to check tokens with; there is no default")
	}
	return nil
}

func isPlaceholder(text string) bool { return text == "%u" || text == "%c" }
