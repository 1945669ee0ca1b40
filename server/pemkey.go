package server

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"os"
)

// loadPair reads a certificate with its chain and its key from PEM files. The
// key may be encrypted, in either way that OpenSSL writes.
func loadPair(certFile, keyFile, password string) (*tls.Certificate, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	if key, err = plainKey(key, password); err != nil {
		return nil, fmt.Errorf("%s: %w", keyFile, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", certFile, keyFile, err)
	}
	return &pair, nil
}

var (
	errNeedsPassword = errors.New("the key is encrypted; key_password is needed to read it")
	errWrongPassword = errors.New("the key can't be decrypted; is key_password the right one?")
)

// plainKey is the text of a PEM file with its encrypted keys decrypted.
func plainKey(text []byte, password string) ([]byte, error) {
	var out []byte
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return append(out, text...), nil
		}
		text = rest
		legacy := x509.IsEncryptedPEMBlock(block) //nolint:staticcheck // weak, but it is what existing installations have
		if !legacy && block.Type != "ENCRYPTED PRIVATE KEY" {
			out = append(out, pem.EncodeToMemory(block)...)
			continue
		}
		if password == "" {
			return nil, errNeedsPassword
		}
		var der []byte
		var err error
		kind := block.Type
		if legacy {
			der, err = x509.DecryptPEMBlock(block, []byte(password)) //nolint:staticcheck // see above
		} else {
			kind = "PRIVATE KEY"
			der, err = decryptPKCS8(block.Bytes, password)
		}
		if errors.Is(err, x509.IncorrectPasswordError) {
			err = errWrongPassword
		}
		if err != nil {
			return nil, err
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
}

// The structures of PKCS #8 (RFC 5958 clause 3) and PKCS #5 (RFC 8018 appendix A).
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2 struct {
		Derivation, Encryption pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

// The schemes of PBES2, by object identifier. Without one, PBKDF2 uses SHA-1.
var (
	prfs = map[string]func() hash.Hash{
		"": sha1.New, "1.2.840.113549.2.7": sha1.New, "1.2.840.113549.2.9": sha256.New,
		"1.2.840.113549.2.10": sha512.New384, "1.2.840.113549.2.11": sha512.New,
	}
	keyCiphers = map[string]struct {
		size int
		make func([]byte) (cipher.Block, error)
	}{
		"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
		"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
		"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
		"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
	}
)

const (
	oidPBES2  = "1.2.840.113549.1.5.13"
	oidPBKDF2 = "1.2.840.113549.1.5.12"

	maxIterations = 2_000_000 // a key file keeps the start busy for a second at most
)

// decryptPKCS8 is the PKCS #8 key in an encrypted one of scheme PBES2 with
// PBKDF2 and a block cipher in CBC mode.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var key encryptedKey
	var scheme pbes2
	var kdf pbkdf2Params
	var iv []byte
	_, err := asn1.Unmarshal(der, &key)
	if err != nil {
		return nil, fmt.Errorf("an encrypted key that can't be read: %w", err)
	}
	if id := key.Algorithm.Algorithm.String(); id != oidPBES2 {
		return nil, fmt.Errorf("encrypted by scheme %s; expected PBES2, as `openssl pkcs8 -topk8 -v2 aes256` writes it", id)
	}
	_, err1 := asn1.Unmarshal(key.Algorithm.Parameters.FullBytes, &scheme)
	_, err2 := asn1.Unmarshal(scheme.Derivation.Parameters.FullBytes, &kdf)
	_, err3 := asn1.Unmarshal(scheme.Encryption.Parameters.FullBytes, &iv)
	prf := prfs[kdf.PRF.Algorithm.String()]
	algorithm, known := keyCiphers[scheme.Encryption.Algorithm.String()]
	switch err := errors.Join(err1, err2, err3); {
	case err != nil:
		return nil, fmt.Errorf("an encrypted key that can't be read: %w", err)
	case scheme.Derivation.Algorithm.String() != oidPBKDF2 || prf == nil || !known || kdf.Iterations > maxIterations:
		return nil, errors.New("encrypted in a way that isn't known; expected PBKDF2 and AES, as `openssl pkcs8 -topk8 -v2 aes256` writes it")
	}
	secret, err := pbkdf2.Key(prf, password, kdf.Salt, kdf.Iterations, algorithm.size)
	if err != nil {
		return nil, err
	}
	block, err := algorithm.make(secret)
	if err != nil {
		return nil, err
	}
	return unpad(block, iv, key.Data)
}

// unpad decrypts CBC and takes off the padding, which tells whether the
// password was right.
func unpad(block cipher.Block, iv, data []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errors.New("an encrypted key of a wrong length")
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	n := int(plain[len(plain)-1])
	if n == 0 || n > size {
		return nil, errWrongPassword
	}
	for _, b := range plain[len(plain)-n:] {
		if int(b) != n {
			return nil, errWrongPassword
		}
	}
	return plain[:len(plain)-n], nil
}
