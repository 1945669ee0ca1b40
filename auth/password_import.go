package auth

import "encoding/hex"

// emqxSaltBytes is the length of the salt that EMQ X's built-in users have,
// in front of everything else in one value.
const emqxSaltBytes = 4

// ReadEMQX takes apart what EMQ X's built-in users hold in one value: four
// bytes of salt and the hexadecimal digest of salt and password (plain: the
// salt twice and the password), or the digest without any salt. h is their
// password_hash; kind, stored and salt are what Verify takes. A bcrypt value
// is taken as well. ok is false for anything else.
func (h Hash) ReadEMQX(value string) (kind Hash, stored, salt string, ok bool) {
	kind = Hash{kind: h.kind, digest: h.digest}
	switch h.kind {
	case hashPlain:
		twice := 2 * emqxSaltBytes
		if len(value) <= twice || value[:emqxSaltBytes] != value[emqxSaltBytes:twice] {
			return Hash{}, "", "", false
		}
		return kind, value[twice:], "", true
	case hashBcrypt:
		return kind, value, "", bcryptReadable(value)
	case hashDigest:
		size := hex.EncodedLen(h.digest.maker()().Size())
		stored = value
		if len(value) == emqxSaltBytes+size {
			kind.salt, salt, stored = saltBefore, value[:emqxSaltBytes], value[emqxSaltBytes:]
		}
		_, err := hex.DecodeString(stored)
		return kind, stored, salt, err == nil && len(stored) == size
	}
	return Hash{}, "", "", false
}

// Reads reports whether a stored value, and the salt beside it, can be of this
// kind: one that can't would lock its owner out for ever.
func (h Hash) Reads(stored, salt string) bool {
	switch h.kind {
	case hashPlain:
		return stored != "" && salt == ""
	case hashBcrypt:
		return bcryptReadable(stored) && (h.Salted() == (salt != "")) && (salt == "" || bcryptSaltOf(stored, salt))
	case hashDigest:
		_, err := hex.DecodeString(stored)
		return err == nil && len(stored) == hex.EncodedLen(h.digest.maker()().Size()) && h.Salted() == (salt != "")
	case hashPBKDF2:
		_, err := hex.DecodeString(stored)
		return err == nil && len(stored) == hex.EncodedLen(int(h.length)) && salt != ""
	}
	return false
}
