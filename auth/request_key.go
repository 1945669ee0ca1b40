package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// requestKey stands for a request: two with the same key get the same answer.
type requestKey [sha256.Size]byte

// digester makes request keys: digests under a secret that no other process has,
// so that one which leaks is no help in guessing the password in it.
type digester struct{ pool sync.Pool }

type digesting struct {
	mac hash.Hash
	buf []byte
	sum requestKey
}

func newDigester() *digester {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	return &digester{sync.Pool{New: func() any { return &digesting{mac: hmac.New(sha256.New, key)} }}}
}

// of covers all that a provider is shown except the client's port, which is
// another one for each connection. ok is false for a client with Rights: they
// can be anything, so nobody else's answer is known to be right for it.
func (d *digester) of(acl bool, r *Request) (sum requestKey, ok bool) {
	c := r.Client
	if c.Rights != nil {
		return sum, false
	}
	x := d.pool.Get().(*digesting)
	x.flags(acl, bool(r.Action), r.Password != nil, c.Bridge, c.Superuser, c.Anonymous, c.Listener != nil, c.Cert != nil)
	x.text(r.Topic, c.ClientID, c.Username, c.Mountpoint)
	x.buf = append(x.buf, byte(c.Version))
	x.bytes(r.Password)
	x.bytes(c.Peer.Addr().AsSlice())
	x.text(c.Peer.Addr().Zone())
	x.buf = binary.BigEndian.AppendUint64(x.buf, uint64(c.Expires))
	if l := c.Listener; l != nil {
		x.text(l.Name, l.Protocol, l.Zone, l.Addr.String())
	}
	if c.Cert != nil {
		x.text(c.Cert.CommonName, c.Cert.Subject)
	}
	x.mac.Reset()
	x.mac.Write(x.buf) // never fails
	x.mac.Sum(x.sum[:0])
	sum = x.sum
	clear(x.buf) // it held the password
	x.buf = x.buf[:0]
	d.pool.Put(x)
	return sum, true
}

func (x *digesting) flags(list ...bool) {
	for _, f := range list {
		b := byte(0)
		if f {
			b = 1
		}
		x.buf = append(x.buf, b)
	}
}

// text writes each string behind its length: nothing can move from one field
// to the next.
func (x *digesting) text(list ...string) {
	for _, s := range list {
		x.buf = binary.AppendUvarint(x.buf, uint64(len(s)))
		x.buf = append(x.buf, s...)
	}
}

func (x *digesting) bytes(b []byte) {
	x.buf = binary.AppendUvarint(x.buf, uint64(len(b)))
	x.buf = append(x.buf, b...)
}
