package mqtttest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// encode makes the bytes of a packet for a protocol version. It writes what it is told, sensible or not; only what has no
// encoding at all is an error.
func encode(p packet, version int) ([]byte, error) {
	kind := slices.Index(kinds, p.kind)
	if kind < 1 {
		return nil, fmt.Errorf("unknown packet %q", p.kind)
	}
	w := &writer{version: version}
	flags := byte(0)
	switch p.kind {
	case "CONNECT":
		w.connect(p)
	case "CONNACK":
		w.byte(p.num("present"))
		w.byte(p.num("code"))
		w.props(p.props)
	case "PUBLISH":
		flags = byte(p.num("dup")<<3 | p.num("qos")<<1 | p.num("retain"))
		w.text(p.get("topic"))
		if p.num("qos") > 0 {
			w.u16(p.num("id"))
		}
		w.props(p.props)
		w.WriteString(p.get("payload"))
	case "PUBACK", "PUBREC", "PUBREL", "PUBCOMP":
		if p.kind == "PUBREL" {
			flags = 2
		}
		w.u16(p.num("id"))
		w.codeAndProps(p)
	case "SUBSCRIBE", "UNSUBSCRIBE":
		flags = 2
		w.u16(p.num("id"))
		w.props(p.props)
		w.filters(p)
	case "SUBACK", "UNSUBACK":
		w.u16(p.num("id"))
		w.props(p.props)
		w.codes(p.get("codes"))
	case "DISCONNECT", "AUTH":
		w.codeAndProps(p)
	}
	if w.err != nil {
		return nil, w.err
	}
	out := append([]byte{byte(kind)<<4 | flags}, varint(w.Len())...)
	return append(out, w.Bytes()...), nil
}

// writer collects a packet's body and its first error.
type writer struct {
	bytes.Buffer
	version int
	err     error
}

func (w *writer) byte(n int) { w.WriteByte(byte(n)) }
func (w *writer) u16(n int)  { w.Write(binary.BigEndian.AppendUint16(nil, uint16(n))) }
func (w *writer) u32(n int)  { w.Write(binary.BigEndian.AppendUint32(nil, uint32(n))) }

// text writes a UTF-8 string or binary data: two bytes of length, then the bytes.
func (w *writer) text(s string) {
	if len(s) > 65535 {
		w.fail("a string of %d bytes does not fit", len(s))
	}
	w.u16(len(s))
	w.WriteString(s)
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// connect writes the body of CONNECT, clause 3.1.
func (w *writer) connect(p packet) {
	name := "MQTT"
	if w.version == 3 {
		name = "MQIsdp"
	}
	w.text(name)
	w.byte(w.version | p.num("bridge")<<7)
	flags := p.num("clean") << 1
	will, hasWill := p.group("will")
	if hasWill {
		flags |= 1<<2 | will.num("qos")<<3 | will.num("retain")<<5
	}
	if p.has("pass") {
		flags |= 1 << 6
	}
	if p.has("user") {
		flags |= 1 << 7
	}
	w.byte(flags)
	w.u16(p.num("keepalive"))
	w.props(p.props)
	w.text(p.get("id"))
	if hasWill {
		w.props(will.props)
		w.text(will.get("topic"))
		w.text(will.get("payload"))
	}
	for _, key := range []string{"user", "pass"} {
		if p.has(key) {
			w.text(p.get(key))
		}
	}
}

func (p *packet) has(key string) bool {
	return slices.ContainsFunc(p.fields, func(f field) bool { return f.key == key })
}

// group returns the packet written within key{…}.
func (p *packet) group(key string) (packet, bool) {
	for _, f := range p.fields {
		if f.key == key {
			inner := packet{}
			for _, g := range f.group {
				if g.key == "props" {
					inner.props = g.group
				} else {
					inner.fields = append(inner.fields, g)
				}
			}
			return inner, true
		}
	}
	return packet{}, false
}

// filters writes the payload of SUBSCRIBE (sub=filter,qos,nl,rap,rh=2) and UNSUBSCRIBE (unsub=filter). A bare number after
// the comma is the QoS; opts=0x… replaces the whole options byte.
func (w *writer) filters(p packet) {
	for _, f := range p.fields {
		switch f.key {
		case "unsub":
			w.text(f.val)
		case "sub":
			filter, opts, err := parseSub(f.val)
			if err != nil {
				w.fail("%v", err)
			}
			w.text(filter)
			w.byte(opts)
		}
	}
}

// parseSub takes "filter,1,nl,rap,rh=2" apart. Filters hold no comma.
func parseSub(text string) (filter string, opts int, err error) {
	filter, rest, _ := strings.Cut(text, ",")
	for _, word := range strings.Split(rest, ",") {
		key, val, _ := strings.Cut(word, "=")
		switch {
		case key == "":
		case key == "nl":
			opts |= 1 << 2
		case key == "rap":
			opts |= 1 << 3
		case key == "rh" && isNumber(val):
			opts |= int(number(val)) << 4
		case key == "opts" && isNumber(val):
			opts = int(number(val))
		case isNumber(word):
			opts |= int(number(word))
		default:
			return "", 0, fmt.Errorf("sub=%s: %q is no subscription option", text, word)
		}
	}
	return filter, opts, nil
}

func (w *writer) codes(list string) {
	if list == "" {
		return
	}
	for _, code := range strings.Split(list, ",") {
		w.byte(int(number(code)))
	}
}

// codeAndProps writes the end of an acknowledgement, DISCONNECT or AUTH: nothing where nothing is to be said (clause
// 3.4.2.1), and never anything before version 5.
func (w *writer) codeAndProps(p packet) {
	if w.version < 5 || p.num("code") == 0 && len(p.props) == 0 {
		return
	}
	w.byte(p.num("code"))
	if len(p.props) > 0 {
		w.props(p.props)
	}
}

// props writes the property length and the properties in the order given; nothing before version 5.
func (w *writer) props(props []field) {
	if w.version < 5 {
		if len(props) > 0 {
			w.fail("version %d has no properties", w.version)
		}
		return
	}
	body := &writer{version: w.version}
	for _, f := range props {
		def, known := propByName(f.key)
		if !known {
			w.fail("unknown property %q", f.key)
		}
		body.byte(int(def.id))
		n, _ := strconv.Atoi(f.val)
		switch def.form {
		case "byte":
			body.byte(n)
		case "u16":
			body.u16(n)
		case "u32":
			body.u32(n)
		case "varint":
			body.Write(varint(n))
		case "pair":
			name, val, _ := strings.Cut(f.val, ":")
			body.text(name)
			body.text(val)
		default:
			body.text(f.val)
		}
	}
	if body.err != nil {
		w.fail("%v", body.err)
	}
	w.Write(varint(body.Len()))
	w.Write(body.Bytes())
}

// varint writes a variable byte integer, clause 1.5.5.
func varint(n int) []byte {
	var out []byte
	for {
		b := byte(n % 128)
		n /= 128
		if n > 0 {
			b |= 128
		}
		out = append(out, b)
		if n == 0 {
			return out
		}
	}
}
