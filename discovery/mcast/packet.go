package mcast

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"

	"github.com/dunlin-mq/dunlin/discovery"
)

// packet is what nodes send each other, in this order:
//
//	magic    4 bytes, the last is the version
//	kind     1 byte
//	nonce    16 bytes: chosen by who asks, repeated by who answers
//	cluster  1 byte of length, then as many
//	node     1 byte of length, then as many
//	mac      32 bytes: HMAC-SHA-256 of all before, under the cookie
//
// A pong is as long as its ping but for the name, so nobody's answers can be
// used to flood a third.
type packet struct {
	kind          byte
	nonce         nonce
	cluster, node string
}

type nonce [16]byte

const (
	ping byte = 1
	pong byte = 2

	magic   = "DNL\x01"
	longest = len(magic) + 1 + len(nonce{}) + 2*(1+discovery.MaxName) + sha256.Size
)

var (
	errForeign = errors.New("not a packet of this kind, or of another version")
	errCookie  = errors.New("the cookies differ, or it is forged")
)

// seal writes a packet. Names are at most discovery.MaxName bytes long.
func (p packet) seal(cookie []byte) []byte {
	b := make([]byte, 0, longest)
	b = append(b, magic...)
	b = append(b, p.kind)
	b = append(b, p.nonce[:]...)
	for _, name := range []string{p.cluster, p.node} {
		b = append(b, byte(len(name)))
		b = append(b, name...)
	}
	return append(b, mac(b, cookie)...)
}

// open reads a packet that somebody with the same cookie has sealed. Nothing
// of it is looked at before that is sure.
func open(b, cookie []byte) (packet, error) {
	end := len(b) - sha256.Size
	if end < 0 || !bytes.HasPrefix(b, []byte(magic)) {
		return packet{}, errForeign
	}
	if !hmac.Equal(b[end:], mac(b[:end], cookie)) {
		return packet{}, errCookie
	}
	return parse(b[len(magic):end])
}

// parse reads what stands between magic and mac.
func parse(b []byte) (p packet, err error) {
	if len(b) < 1+len(p.nonce) {
		return p, errForeign
	}
	p.kind = b[0]
	b = b[1+copy(p.nonce[:], b[1:]):]
	for _, name := range []*string{&p.cluster, &p.node} {
		if len(b) < 1 || len(b) < 1+int(b[0]) {
			return packet{}, errForeign
		}
		end := 1 + int(b[0])
		*name, b = string(b[1:end]), b[end:]
	}
	if len(b) > 0 || p.kind != ping && p.kind != pong {
		return packet{}, errForeign
	}
	return p, nil
}

func mac(b, cookie []byte) []byte {
	h := hmac.New(sha256.New, cookie)
	h.Write(b)
	return h.Sum(nil)
}
