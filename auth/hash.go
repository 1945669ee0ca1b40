package auth

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/dunlin-mq/dunlin/config"
)

// Hash is a way to store passwords: the value of a password_hash key. It is a
// small value that can be compared. The zero Hash is no way at all: nothing
// matches it, and nothing can be made with it.
type Hash struct {
	kind   hashKind
	digest digest // of hashDigest and hashPBKDF2
	salt   saltPlace
	length uint16 // of hashPBKDF2: bytes of the derived key
	rounds uint32 // of hashPBKDF2
}

type hashKind uint8

const (
	hashNone hashKind = iota
	hashPlain
	hashDigest
	hashBcrypt
	hashPBKDF2
)

// saltPlace says where a salt beside the stored value goes. What bcrypt keeps
// inside its stored value doesn't count.
type saltPlace uint8

const (
	saltNowhere saltPlace = iota
	saltBefore
	saltAfter
)

const (
	// bcryptCost is what new passwords get: about 50 ms of one processor.
	bcryptCost = bcrypt.DefaultCost
	// maxBcryptCost bounds what a stored value may ask of us: each step doubles
	// the time, and 31, which the format allows, would take a day.
	maxBcryptCost = 15
	// maxRounds and maxKeyLength bound PBKDF2 in the same way.
	maxRounds    = 5_000_000
	maxKeyLength = 1024
	// bcryptTakes is how many bytes of a password bcrypt looks at.
	bcryptTakes = 72
	// bcryptSaltLength is how much of a bcrypt value is version, cost and salt.
	bcryptSaltLength = 29
	bcryptLength     = 60
	newSaltBytes     = 16
)

// ParseHash reads the value of a password_hash key: plain, bcrypt, one of md5,
// sha, sha256, sha512, any of these but plain as `salt,sha256` or
// `sha256,salt`, or `pbkdf2,sha256,1000,20` (digest, rounds, length in bytes).
// Anything else is an error; EMQ X takes it for plain.
func ParseHash(s string) (Hash, error) {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	switch {
	case len(parts) == 1:
		return parseKind(parts[0], saltNowhere, s)
	case len(parts) == 2 && parts[0] == "salt" && parts[1] != "plain":
		return parseKind(parts[1], saltBefore, s)
	case len(parts) == 2 && parts[1] == "salt" && parts[0] != "plain":
		return parseKind(parts[0], saltAfter, s)
	case parts[0] == "pbkdf2":
		return parsePBKDF2(parts[1:], s)
	}
	return Hash{}, notAHash(s)
}

func notAHash(s string) error {
	return config.Expected("plain, md5, sha, sha256, sha512, bcrypt, one of these with `salt,` before or `,salt` behind it, or pbkdf2,sha256,1000,20", s)
}

func parseKind(name string, place saltPlace, whole string) (Hash, error) {
	switch name {
	case "plain":
		return Hash{kind: hashPlain}, nil
	case "bcrypt":
		return Hash{kind: hashBcrypt, salt: place}, nil
	case "md5", "sha", "sha256", "sha512":
		return Hash{kind: hashDigest, digest: digestNamed(name), salt: place}, nil
	}
	return Hash{}, notAHash(whole)
}

func parsePBKDF2(args []string, whole string) (Hash, error) {
	h := Hash{kind: hashPBKDF2, salt: saltBefore}
	if len(args) == 3 {
		rounds, err1 := strconv.ParseUint(args[1], 10, 32)
		length, err2 := strconv.ParseUint(args[2], 10, 16)
		h.digest, h.rounds, h.length = digestNamed(args[0]), uint32(rounds), uint16(length)
		if err1 == nil && err2 == nil && h.digest != 0 && rounds >= 1 && rounds <= maxRounds && length >= 1 && length <= maxKeyLength {
			return h, nil
		}
	}
	return Hash{}, config.Expected("pbkdf2,DIGEST,ROUNDS,LENGTH with one of "+strings.Join(digestNames[1:], " ")+
		", 1 to 5000000 rounds and 1 to 1024 bytes, such as pbkdf2,sha256,1000,20", whole)
}

// UnmarshalText is ParseHash, for the configuration.
func (h *Hash) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHash(string(text))
	return err
}

// String returns what ParseHash reads, or "" for the zero Hash.
func (h Hash) String() string {
	name := ""
	switch h.kind {
	case hashNone:
		return ""
	case hashPlain:
		return "plain"
	case hashBcrypt:
		name = "bcrypt"
	case hashDigest:
		name = h.digest.String()
	case hashPBKDF2:
		return "pbkdf2," + h.digest.String() + "," + strconv.Itoa(int(h.rounds)) + "," + strconv.Itoa(int(h.length))
	}
	switch h.salt {
	case saltBefore:
		return "salt," + name
	case saltAfter:
		return name + ",salt"
	}
	return name
}

// IsZero reports that h was never set.
func (h Hash) IsZero() bool { return h == Hash{} }

// Salted reports whether a salt is kept beside the stored value.
func (h Hash) Salted() bool { return h.salt != saltNowhere }

// Slow reports whether a check costs so much that an event loop must not do it.
func (h Hash) Slow() bool { return h.kind == hashBcrypt || h.kind == hashPBKDF2 }

// WithSalt is h for new passwords: a digest without a salt gets one in front.
func (h Hash) WithSalt() Hash {
	if h.kind == hashDigest && h.salt == saltNowhere {
		h.salt = saltBefore
	}
	return h
}

// Make turns a password into what is to be stored, with a new random salt;
// salt is empty if Salted is false. It takes its time if h is Slow; see
// Passwords.Make. Of a password for bcrypt the first 72 bytes count.
func (h Hash) Make(password []byte) (stored, salt string, err error) {
	switch h.kind {
	case hashPlain:
		return string(password), "", nil
	case hashBcrypt:
		made, err := bcrypt.GenerateFromPassword(bcryptPassword(password), bcryptCost)
		if err == nil && h.Salted() {
			salt = string(made[:bcryptSaltLength])
		}
		return string(made), salt, err
	case hashDigest, hashPBKDF2:
		if h.Salted() {
			salt = newSalt()
		}
		var buf [maxKeyLength]byte
		return hex.EncodeToString(h.sum(buf[:0], salt, password)), salt, nil
	}
	return "", "", errors.New("no kind of password hash was chosen")
}

// newSalt is text, so that any database column holds it.
func newSalt() string {
	var b [newSaltBytes]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
