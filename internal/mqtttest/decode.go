package mqtttest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// frame is one packet as it came off the wire: the first byte and what the remaining length covered.
type frame struct {
	first byte
	body  []byte
	size  int // of the whole packet
}

// readFrame reads one packet, clause 2.1. io.EOF stands only between packets.
func readFrame(r *bufio.Reader) (frame, error) {
	first, err := r.ReadByte()
	if err != nil {
		return frame{}, err
	}
	n, width, err := readVarint(r)
	if err != nil {
		return frame{}, fmt.Errorf("remaining length: %w", err)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return frame{}, fmt.Errorf("packet cut short: %w", io.ErrUnexpectedEOF)
	}
	return frame{first, body, 1 + width + n}, nil
}

func readVarint(r io.ByteReader) (n, width int, err error) {
	for width < 4 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, 0, io.ErrUnexpectedEOF
		}
		n |= int(b&127) << (7 * width)
		width++
		if b < 128 {
			if width > 1 && b == 0 {
				return 0, 0, errors.New("longer than needed")
			}
			return n, width, nil
		}
	}
	return 0, 0, errors.New("more than four bytes")
}

// decode takes a packet from a server apart and refuses whatever a server may not send: reserved bits, codes and properties
// out of place, text that is not UTF-8, bytes left over.
func decode(f frame, version int) (packet, error) {
	r := &reader{rest: f.body, version: version}
	p := packet{}
	if int(f.first>>4) < len(kinds) {
		p.kind = kinds[f.first>>4]
	}
	flags := f.first & 15
	if want := map[string]byte{"PUBREL": 2}[p.kind]; p.kind != "PUBLISH" && flags != want {
		return p, fmt.Errorf("the reserved flags are %04b, want %04b", flags, want)
	}
	switch p.kind {
	case "CONNACK":
		ack := r.byte()
		if ack > 1 {
			r.fail("CONNACK flags are %08b", ack)
		}
		p.num2("present", int(ack))
		p.num2("code", int(r.byte()))
		p.props = r.props(p.kind)
	case "PUBLISH":
		r.publish(&p, flags)
	case "PUBACK", "PUBREC", "PUBREL", "PUBCOMP":
		p.num2("id", r.u16())
		r.codeAndProps(&p)
	case "SUBACK", "UNSUBACK":
		p.num2("id", r.u16())
		p.props = r.props(p.kind)
		r.codes(&p)
	case "DISCONNECT", "AUTH":
		if version < 5 {
			r.fail("no server sends this before version 5")
		}
		r.codeAndProps(&p)
	case "PINGRESP":
	default:
		r.fail("a server may not send packet type %d", f.first>>4)
	}
	r.checkCode(p)
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes left over", len(r.rest))
	}
	return p, r.err
}

// num2 adds a number that is not zero.
func (p *packet) num2(key string, n int) {
	if n != 0 {
		p.fields = append(p.fields, field{key: key, val: strconv.Itoa(n)})
	}
}

// reader takes bytes off the front and keeps the first error.
type reader struct {
	rest    []byte
	version int
	err     error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.fail("%d bytes are missing at the end", n-len(r.rest))
		n = len(r.rest)
	}
	piece := r.rest[:n]
	r.rest = r.rest[n:]
	return piece
}

func (r *reader) byte() byte { return append(bytes.Clone(r.take(1)), 0)[0] }
func (r *reader) u16() int   { return int(binary.BigEndian.Uint16(append(bytes.Clone(r.take(2)), 0, 0))) }
func (r *reader) u32() int {
	return int(binary.BigEndian.Uint32(append(bytes.Clone(r.take(4)), 0, 0, 0, 0)))
}
func (r *reader) binary() string { return string(r.take(r.u16())) }

func (r *reader) text() string {
	s := r.binary()
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		r.fail("%q is no MQTT string", s)
	}
	return s
}

func (r *reader) varint() int {
	b := bytes.NewReader(r.rest)
	n, width, err := readVarint(b)
	if err != nil {
		r.fail("variable byte integer: %v", err)
		return 0
	}
	r.rest = r.rest[width:]
	return n
}

func (r *reader) publish(p *packet, flags byte) {
	qos := int(flags >> 1 & 3)
	if qos == 3 {
		r.fail("QoS 3")
	}
	p.num2("dup", int(flags>>3))
	p.num2("qos", qos)
	p.num2("retain", int(flags&1))
	if topic := r.text(); topic != "" {
		p.fields = append(p.fields, field{key: "topic", val: topic})
	} else if r.version < 5 {
		r.fail("no topic")
	}
	if qos > 0 {
		id := r.u16()
		if id == 0 {
			r.fail("packet identifier 0")
		}
		p.num2("id", id)
	}
	p.props = r.props(p.kind)
	if payload := r.take(len(r.rest)); len(payload) > 0 {
		p.fields = append(p.fields, field{key: "payload", val: string(payload)})
	}
}

func (r *reader) codeAndProps(p *packet) {
	if r.version < 5 || len(r.rest) == 0 {
		return
	}
	p.num2("code", int(r.byte()))
	if len(r.rest) > 0 {
		p.props = r.props(p.kind)
	}
}

// codes reads the payload of SUBACK and UNSUBACK; the latter has none before version 5.
func (r *reader) codes(p *packet) {
	if p.kind == "UNSUBACK" && r.version < 5 {
		return
	}
	var list []string
	for _, code := range r.take(len(r.rest)) {
		if r.version < 5 && code > 2 && code != 0x80 {
			r.fail("return code 0x%02x", code)
		}
		if r.version == 5 && !slices.Contains(reasonCodes[p.kind], code) {
			r.fail("reason code 0x%02x is not for %s", code, p.kind)
		}
		list = append(list, strconv.Itoa(int(code)))
	}
	if len(list) == 0 {
		r.fail("%s without a code", p.kind)
	}
	p.fields = append(p.fields, field{key: "codes", val: strings.Join(list, ",")})
}

func (r *reader) checkCode(p packet) {
	allowed, limited := reasonCodes[p.kind]
	code := byte(p.num("code"))
	switch {
	case !limited || p.kind == "SUBACK" || p.kind == "UNSUBACK":
	case r.version == 5 && !slices.Contains(allowed, code):
		r.fail("reason code 0x%02x is not for %s", code, p.kind)
	case r.version < 5 && p.kind == "CONNACK" && code > 5:
		r.fail("return code %d", code)
	}
}

// props reads a property list; the property itself must fit the packet and, but for two, come once.
func (r *reader) props(kind string) []field {
	if r.version < 5 {
		return nil
	}
	inner := &reader{rest: r.take(r.varint()), version: r.version}
	var props []field
	for len(inner.rest) > 0 && inner.err == nil {
		id := inner.byte()
		def, known := propByID(id)
		if !known || !def.allowedIn(kind) {
			r.fail("property 0x%02x is not for %s", id, kind)
			return props
		}
		if !def.mayRepeat() && slices.ContainsFunc(props, func(f field) bool { return f.key == def.name }) {
			r.fail("property %s comes twice", def.name)
		}
		props = append(props, field{key: def.name, val: inner.value(def)})
	}
	if inner.err != nil {
		r.fail("properties: %v", inner.err)
	}
	return props
}

func (r *reader) value(def propDef) string {
	switch def.form {
	case "byte":
		return strconv.Itoa(int(r.byte()))
	case "u16":
		return strconv.Itoa(r.u16())
	case "u32":
		return strconv.Itoa(r.u32())
	case "varint":
		return strconv.Itoa(r.varint())
	case "pair":
		name := r.text()
		return name + ":" + r.text()
	case "text":
		return r.text()
	}
	return r.binary()
}
