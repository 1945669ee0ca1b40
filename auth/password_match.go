package auth

import (
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"slices"
	"strconv"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/md4"       //nolint:staticcheck // what EMQ X can have stored has to be readable
	"golang.org/x/crypto/ripemd160" //nolint:staticcheck // as above
)

// digest is an index into digestNames.
type digest uint8

const (
	digestMD5 digest = iota + 1
	digestSHA
	digestSHA256
	digestSHA512
	digestMD4
	digestRIPEMD160
	digestSHA224
	digestSHA384
)

var digestNames = []string{"", "md5", "sha", "sha256", "sha512", "md4", "ripemd160", "sha224", "sha384"}

func (d digest) String() string { return digestNames[d] }

// digestNamed returns 0 for a name that is none.
func digestNamed(name string) digest { return digest(max(slices.Index(digestNames, name), 0)) }

// maker returns the constructor of a digest for PBKDF2.
func (d digest) maker() func() hash.Hash {
	switch d {
	case digestMD5:
		return md5.New
	case digestSHA:
		return sha1.New
	case digestSHA256:
		return sha256.New
	case digestSHA512:
		return sha512.New
	case digestMD4:
		return md4.New
	case digestRIPEMD160:
		return ripemd160.New
	case digestSHA224:
		return sha256.New224
	}
	return sha512.New384
}

// appendSum appends the digest of data. Only the four kinds that ParseHash
// takes for hashDigest come here; they need no memory of the heap.
func (d digest) appendSum(dst, data []byte) []byte {
	switch d {
	case digestMD5:
		sum := md5.Sum(data)
		return append(dst, sum[:]...)
	case digestSHA:
		sum := sha1.Sum(data)
		return append(dst, sum[:]...)
	case digestSHA256:
		sum := sha256.Sum256(data)
		return append(dst, sum[:]...)
	}
	sum := sha512.Sum512(data)
	return append(dst, sum[:]...)
}

// sum appends the bytes whose hexadecimal form is stored, of a hashDigest or
// hashPBKDF2.
func (h Hash) sum(dst []byte, salt string, password []byte) []byte {
	if h.kind == hashPBKDF2 {
		key, err := pbkdf2.Key(h.digest.maker(), string(password), []byte(salt), int(h.rounds), int(h.length))
		if err != nil {
			return nil // only where FIPS 140 forbids the parameters: nothing matches then
		}
		return append(dst, key...)
	}
	var buf [256]byte
	data := buf[:0]
	if h.salt == saltBefore {
		data = append(data, salt...)
	}
	data = append(data, password...)
	if h.salt == saltAfter {
		data = append(data, salt...)
	}
	return h.digest.appendSum(dst, data)
}

// matches compares a password with a stored value, in a time that says nothing
// about how much of it was right. A stored value that is none of this kind
// matches nothing, nor does an empty one.
func (h Hash) matches(stored, salt string, password []byte) bool {
	switch h.kind {
	case hashPlain:
		want, got := sha256.Sum256([]byte(stored)), sha256.Sum256(password) // equal lengths
		return stored != "" && subtle.ConstantTimeCompare(want[:], got[:]) == 1
	case hashBcrypt:
		return bcryptReadable(stored) && (!h.Salted() || bcryptSaltOf(stored, salt)) &&
			bcrypt.CompareHashAndPassword([]byte(stored), bcryptPassword(password)) == nil
	case hashDigest, hashPBKDF2:
		var buf, want [maxKeyLength]byte
		if stored == "" || len(stored) > 2*len(want) {
			return false
		}
		n, err := hex.Decode(want[:], []byte(stored)) // takes capitals as well
		return err == nil && subtle.ConstantTimeCompare(want[:n], h.sum(buf[:0], salt, password)) == 1
	}
	return false
}

// bcryptReadable reports whether a stored value is one of bcrypt's, of a cost
// that can be borne. Versions a, b and y differ only in bugs of other programs.
func bcryptReadable(stored string) bool {
	if len(stored) != bcryptLength || stored[:2] != "$2" || stored[3] != '$' || stored[6] != '$' {
		return false
	}
	cost, err := strconv.ParseUint(stored[4:6], 10, 8)
	return err == nil && cost <= maxBcryptCost && (stored[2] == 'a' || stored[2] == 'b' || stored[2] == 'y')
}

// bcryptSaltOf reports whether the salt of a column of its own is the one
// inside the stored value: hashing with another would give another value.
func bcryptSaltOf(stored, salt string) bool {
	return len(salt) >= bcryptSaltLength && salt[:2] == "$2" && salt[3:bcryptSaltLength] == stored[3:bcryptSaltLength]
}

func bcryptPassword(password []byte) []byte { return password[:min(len(password), bcryptTakes)] }
