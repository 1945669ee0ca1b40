package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/dunlin-mq/dunlin/config"
)

// The algorithms by the kind of key that proves them.
var (
	hmacAlgorithms = []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512}
	rsaAlgorithms  = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}
	algorithms     = slices.Concat(hmacAlgorithms, rsaAlgorithms,
		[]jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA})
)

// key is what a signature is proven with, and the algorithms it may prove.
type key struct {
	material   any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	algorithms []jose.SignatureAlgorithm
}

// newKey returns the key of a material that can prove tokens.
func newKey(material any) (key, error) {
	k := key{material: material}
	switch m := material.(type) {
	case []byte:
		k.algorithms = hmacAlgorithms
	case *rsa.PublicKey:
		k.algorithms = rsaAlgorithms
	case ed25519.PublicKey:
		k.algorithms = []jose.SignatureAlgorithm{jose.EdDSA}
	case *ecdsa.PublicKey:
		alg, ok := curveAlgorithm(m.Curve)
		if !ok {
			return key{}, fmt.Errorf("no algorithm for tokens uses the curve %s", m.Params().Name)
		}
		k.algorithms = []jose.SignatureAlgorithm{alg}
	default:
		return key{}, fmt.Errorf("expected an RSA, elliptic curve or Ed25519 public key, found %T", material)
	}
	return k, nil
}

// curveAlgorithm is the one a curve may be used for: RFC 7518, 3.4.
func curveAlgorithm(c elliptic.Curve) (jose.SignatureAlgorithm, bool) {
	switch c {
	case elliptic.P256():
		return jose.ES256, true
	case elliptic.P384():
		return jose.ES384, true
	case elliptic.P521():
		return jose.ES512, true
	}
	return "", false
}

func (k key) proves(alg jose.SignatureAlgorithm) bool { return slices.Contains(k.algorithms, alg) }

// staticKeys are those of the configuration, in the order they are tried.
func (c *Config) staticKeys() ([]key, error) {
	var keys []key
	secret, err := c.secret()
	if err != nil {
		return nil, err
	}
	if len(secret) > 0 {
		k, _ := newKey(padded(secret)) // bytes are always a key
		keys = append(keys, k)
	}
	if c.Pubkey != "" {
		k, err := readPublicKey(c.Pubkey)
		if err != nil {
			return nil, config.Invalid("pubkey", "%v", err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func (c *Config) secret() ([]byte, error) {
	if !c.SecretBase64 {
		return []byte(c.Secret), nil
	}
	text := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(c.Secret, "="))
	secret, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, config.Invalid("secret", "expected base64, as secret_base64_encoded says")
	}
	return secret, nil
}

// padded lengthens a secret to what the library asks for at least. HMAC itself
// fills a key up to 64 or 128 bytes with zeros, so that nothing changes.
func padded(secret []byte) []byte {
	const longestHash = 64
	return append(slices.Clone(secret), make([]byte, max(0, longestHash-len(secret)))...)
}

// readPublicKey reads the first public key or certificate of a PEM file. Only
// the first: the others of a certificate file are those of its authorities,
// which don't sign our tokens.
func readPublicKey(file string) (key, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return key{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return key{}, fmt.Errorf("%s: expected a public key or a certificate in PEM", file)
	}
	material, err := parseBlock(block)
	if err != nil {
		return key{}, fmt.Errorf("%s: %w", file, err)
	}
	k, err := newKey(material)
	if err != nil {
		return key{}, fmt.Errorf("%s: %w", file, err)
	}
	return k, nil
}

func parseBlock(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	}
	return nil, fmt.Errorf("expected a public key or a certificate, found %s", block.Type)
}
