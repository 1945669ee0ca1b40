package server

import (
	"errors"
	"path/filepath"
	"testing"
)

// TestEncryptedKeys reads the keys that OpenSSL writes.
func TestEncryptedKeys(t *testing.T) {
	need(t, "openssl")
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	mustRun(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", in("plain"), "-out", in("cert"))
	f := func(name string, args ...string) {
		t.Helper()
		mustRun(t, "openssl", append(args, "-in", in("plain"), "-out", in(name), "-passout", "pass:secret")...)
		if _, err := loadPair(in("cert"), in(name), "secret"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := loadPair(in("cert"), in(name), ""); !errors.Is(err, errNeedsPassword) {
			t.Errorf("%s without a password: got %v", name, err)
		}
		if _, err := loadPair(in("cert"), in(name), "wrong"); err == nil {
			t.Errorf("%s with a wrong password: no error", name)
		}
	}
	f("pkcs8", "pkcs8", "-topk8")
	f("aes128-sha1", "pkcs8", "-topk8", "-v2", "aes128", "-v2prf", "hmacWithSHA1")
	f("aes192-sha384", "pkcs8", "-topk8", "-v2", "aes192", "-v2prf", "hmacWithSHA384")
	f("aes256-sha512", "pkcs8", "-topk8", "-v2", "aes256", "-v2prf", "hmacWithSHA512", "-iter", "10000")
	f("des3", "pkcs8", "-topk8", "-v2", "des3")
	f("legacy", "rsa", "-aes256", "-traditional")
	f("legacy-des3", "rsa", "-des3", "-traditional")

	if _, err := loadPair(in("cert"), in("plain"), "not needed"); err != nil {
		t.Errorf("a plain key with a password: %v", err)
	}
	mustRun(t, "openssl", "pkcs8", "-topk8", "-scrypt", "-in", in("plain"), "-out", in("scrypt"), "-passout", "pass:secret")
	if _, err := loadPair(in("cert"), in("scrypt"), "secret"); err == nil {
		t.Error("scrypt: no error")
	}
}

func FuzzDecryptPKCS8(f *testing.F) {
	f.Add([]byte{0x30, 0x00}, "secret")
	f.Fuzz(func(t *testing.T, der []byte, password string) {
		if len(der) > 1<<12 {
			return
		}
		if plain, err := decryptPKCS8(der, password); err == nil && len(plain) >= len(der) {
			t.Errorf("%d bytes in %d", len(plain), len(der))
		}
	})
}
