package mqtt

import "encoding/binary"

// Append appends the packet as a peer of version v understands it, and returns
// the longer slice. What that version can't say is left out: properties and
// most reason codes before version 5, and AUTH altogether. So are properties
// that the packet may not carry. Strings and binary data are cut at 65,535
// bytes; that the whole stays within MaxRemaining is the caller's care.
func Append(dst []byte, p Packet, v Version) []byte {
	switch p := p.(type) {
	case *Publish:
		return p.append(dst, v)
	case *Ack:
		return p.append(dst, v)
	case *Connect:
		return p.append(dst)
	case *Connack:
		return p.append(dst, v)
	case *Subscribe:
		return p.append(dst, v)
	case *Suback:
		return p.append(dst, v)
	case *Unsubscribe:
		return p.append(dst, v)
	case *Unsuback:
		return p.append(dst, v)
	case *Pingreq:
		return append(dst, byte(TypePingreq)<<4, 0)
	case *Pingresp:
		return append(dst, byte(TypePingresp)<<4, 0)
	case *Disconnect:
		return p.append(dst, v)
	case *Auth:
		return p.append(dst, v)
	}
	return dst
}

// begin appends the fixed header with an empty length, for finish to fill in
// with at, the index where the rest begins.
func begin(dst []byte, t Type) (out []byte, at int) {
	dst = append(dst, byte(t)<<4|reservedFlags(t), 0)
	return dst, len(dst)
}

// finish writes the size of what stands from at on, plus more bytes that will
// follow, as the variable byte integer that was left one byte before at.
func finish(dst []byte, at, more int) []byte {
	n := uint32(len(dst) - at + more)
	if n < 0x80 {
		dst[at-1] = byte(n)
		return dst
	}
	var length [4]byte
	size := len(appendVarint(length[:0], n))
	end := len(dst)
	dst = append(dst, length[1:size]...)
	copy(dst[at+size-1:], dst[at:end])
	copy(dst[at-1:], length[:size])
	return dst
}

func appendVarint(dst []byte, v uint32) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

func appendUint16(dst []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(dst, v) }
func appendUint32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }

func appendString(dst []byte, s string) []byte {
	s = s[:min(len(s), 0xFFFF)]
	return append(appendUint16(dst, uint16(len(s))), s...)
}

func appendBinary(dst, b []byte) []byte {
	b = b[:min(len(b), 0xFFFF)]
	return append(appendUint16(dst, uint16(len(b))), b...)
}

func appendCodes(dst []byte, codes []ReasonCode) []byte {
	for _, c := range codes {
		dst = append(dst, byte(c))
	}
	return dst
}
