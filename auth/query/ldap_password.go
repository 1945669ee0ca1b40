package query

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	stdhash "hash"
	"strings"
)

// ldapPassword compares a password with a value of userPassword: a text,
// {SHA} and the base64 of a digest, or {SSHA} and that of a digest and the salt
// behind it. The whole may be in base64 once more. readable is false for a
// scheme that only the directory knows; such a value is never taken for a text,
// or who has read it could log in with it.
func ldapPassword(stored string, password []byte) (fits, readable bool) {
	if fits, readable = ldapScheme(stored, password); fits {
		return true, true
	}
	if inner, err := base64.StdEncoding.DecodeString(stored); err == nil && len(inner) > 0 {
		fits, innerReadable := ldapScheme(string(inner), password)
		return fits, readable && innerReadable
	}
	return false, readable
}

func ldapScheme(stored string, password []byte) (fits, readable bool) {
	name, value, ok := strings.Cut(strings.TrimPrefix(stored, "{"), "}")
	if !ok || !strings.HasPrefix(stored, "{") {
		want, got := sha256.Sum256([]byte(stored)), sha256.Sum256(password) // equal lengths
		return stored != "" && subtle.ConstantTimeCompare(want[:], got[:]) == 1, true
	}
	digest, salted := ldapDigest(strings.ToUpper(name))
	if digest == nil {
		return false, false
	}
	want, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(want) < digest.Size() || !salted && len(want) > digest.Size() {
		return false, true
	}
	digest.Write(password)
	digest.Write(want[digest.Size():]) // the salt
	return subtle.ConstantTimeCompare(digest.Sum(nil), want[:digest.Size()]) == 1, true
}

// ldapDigest returns nil for a scheme that isn't known.
func ldapDigest(scheme string) (digest stdhash.Hash, salted bool) {
	switch scheme {
	case "MD5", "SMD5":
		digest = md5.New()
	case "SHA", "SSHA":
		digest = sha1.New()
	case "SHA256", "SSHA256":
		digest = sha256.New()
	case "SHA512", "SSHA512":
		digest = sha512.New()
	}
	return digest, scheme == "SMD5" || strings.HasPrefix(scheme, "SSHA")
}
