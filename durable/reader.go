package durable

import (
	"fmt"
	"net/netip"

	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// reader takes a record apart.
type reader struct{ fields.Reader }

// parse reads a record with the version that f understands; what names the
// kind of record in errors.
func parse(what string, record []byte, version byte, f func(r *reader)) error { //nolint:unparam // they count each for itself, and all stand at 1
	r := &reader{fields.Reader{Left: record}}
	r.Version(version)
	f(r)
	if err := r.End(); err != nil {
		return fmt.Errorf("%s record: %w", what, err)
	}
	return nil
}

// unknown fails because of flags that this version doesn't know.
func (r *reader) unknown(flags byte) { r.Fail(fmt.Errorf("its flags %#x are not known", flags)) }

func (r *reader) props() *mqtt.Properties {
	p, rest, err := mqtt.CutForwarded(r.Left)
	if err != nil {
		r.Fail(err)
		return nil
	}
	r.Left = rest
	return p
}

// maxZone bounds the zone of an address, which is a network interface, whose
// names are at most 15 bytes on Linux; so that a length is one byte.
const maxZone = 100

func (r *reader) addr() (a netip.AddrPort) {
	b := r.Take(r.Below(16+maxZone+2+1, "the length of the address"))
	if r.Err == nil && len(b) > 0 {
		if err := a.UnmarshalBinary(b); err != nil || !a.IsValid() {
			r.Fail(fmt.Errorf("%x is no address", b))
			return netip.AddrPort{}
		}
	}
	return a
}

// appendAddr writes an address and what reader.addr needs to find its end.
func appendAddr(dst []byte, a netip.AddrPort) []byte {
	at := len(dst)
	dst = append(dst, 0)
	if !a.IsValid() {
		return dst
	}
	if len(a.Addr().Zone()) > maxZone {
		a = netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
	}
	if longer, err := a.AppendBinary(dst); err == nil {
		dst = longer
	}
	dst[at] = byte(len(dst) - at - 1)
	return dst
}
