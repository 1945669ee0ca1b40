package engine

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// maxToken bounds what a key may be as a part of a subject. A longer one is
// known by its hash, and stands before the value.
const maxToken = 256

const hexDigits = "0123456789ABCDEF"

// keyToken makes a key a part of a subject, the same for the same key only.
// What can't stand there is written as % and two digits; that of a long key
// begins with %=, which no other does.
func keyToken(key string) (token string, long bool) {
	n := len(key)
	for i := range len(key) {
		if !plain(key[i]) {
			n += 2
		}
	}
	switch {
	case n > maxToken:
		sum := sha256.Sum256([]byte(key))
		return "%=" + base64.RawURLEncoding.EncodeToString(sum[:]), true
	case n == len(key):
		return key, false
	}
	var b strings.Builder
	b.Grow(n)
	for i := range len(key) {
		if c := key[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String(), false
}

// plain says whether a byte can stand in a subject as it is.
func plain(c byte) bool {
	return c > ' ' && c < 0x7f && c != '.' && c != '*' && c != '>' && c != '%'
}

var errToken = errors.New("a subject that is no key")

// tokenKey is keyToken's way back, for keys that are not long.
func tokenKey(token string) (string, error) {
	if !strings.Contains(token, "%") {
		return token, nil
	}
	b := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c == '%' {
			if i+2 >= len(token) {
				return "", errToken
			}
			high, low := strings.IndexByte(hexDigits, token[i+1]), strings.IndexByte(hexDigits, token[i+2])
			if high < 0 || low < 0 {
				return "", errToken
			}
			c = byte(high<<4 | low)
			i += 2
		}
		b = append(b, c)
	}
	return string(b), nil
}

// What the first byte of a record of a map says.
const (
	isValue   = 'v' // the value follows
	isDeleted = 'd' // nothing follows
	isLong    = 0x80
)

// appendKeyed makes what is stored for a key: what it is, the key with its
// length if it is long, and the value.
func appendKeyed(kind byte, key string, long bool, value []byte) []byte {
	if !long {
		data := make([]byte, 0, 1+len(value))
		return append(append(data, kind), value...)
	}
	data := make([]byte, 0, 1+binary.MaxVarintLen64+len(key)+len(value))
	data = append(data, kind|isLong)
	data = binary.AppendUvarint(data, uint64(len(key)))
	return append(append(data, key...), value...)
}

var errKeyed = errors.New("a record that makes no sense")

// parseKeyed takes apart what is stored. The value is a part of data.
func parseKeyed(token string, data []byte) (c Change, err error) {
	if len(data) == 0 {
		return c, errKeyed
	}
	kind, rest := data[0], data[1:]
	if kind&isLong == 0 {
		c.Key, err = tokenKey(token)
	} else {
		n, used := binary.Uvarint(rest)
		if used <= 0 || n > uint64(len(rest)-used) {
			return c, errKeyed
		}
		c.Key, rest = string(rest[used:used+int(n)]), rest[used+int(n):]
	}
	switch kind &^ isLong {
	case isValue:
		c.Value = rest
	case isDeleted:
		c.Deleted = true
	default:
		err = errKeyed
	}
	return c, err
}
