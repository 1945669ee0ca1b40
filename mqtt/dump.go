package mqtt

import (
	"fmt"
	"math/bits"
	"strings"
)

// The String methods serve trace logs: one line per packet, in which payloads
// are sizes, and passwords and authentication data do not appear.

func (c *Connect) String() string {
	d := newDump(c)
	d.add("ClientId=%q, Version=%d, CleanStart=%t, KeepAlive=%d", c.ClientID, c.Version, c.CleanStart, c.KeepAlive)
	if c.Username != nil {
		d.add("Username=%q", *c.Username)
	}
	if c.Password != nil {
		d.add("Password=******")
	}
	if w := c.Will; w != nil {
		d.add("Will(Q%d, R%d, Topic=%q, Payload=%d bytes%s)", w.QoS, bit(w.Retain), w.Topic, len(w.Payload), w.Props.suffix())
	}
	return d.end(c.Props)
}

func (c *Connack) String() string {
	d := newDump(c)
	d.add("SessionPresent=%t, Code=%v", c.SessionPresent, c.Code)
	return d.end(c.Props)
}

func (p *Publish) String() string {
	d := newDump(p)
	d.add("Q%d, R%d, D%d, Topic=%q, PacketId=%d, Payload=%d bytes",
		p.QoS, bit(p.Retain), bit(p.Dup), p.Topic, p.PacketID, len(p.Payload))
	return d.end(p.Props)
}

func (a *Ack) String() string {
	d := newDump(a)
	d.add("PacketId=%d, Code=%v", a.PacketID, a.Code)
	return d.end(a.Props)
}

func (p *Subscribe) String() string {
	d := newDump(p)
	d.add("PacketId=%d", p.PacketID)
	for _, f := range p.Filters {
		d.add("%q Q%d NL%d RAP%d RH%d", f.Filter, f.QoS, bit(f.NoLocal), bit(f.RetainAsPublished), f.RetainHandling)
	}
	return d.end(p.Props)
}

func (p *Suback) String() string {
	d := newDump(p)
	d.add("PacketId=%d, Codes=%v", p.PacketID, p.Codes)
	return d.end(p.Props)
}

func (p *Unsubscribe) String() string {
	d := newDump(p)
	d.add("PacketId=%d, Filters=%q", p.PacketID, p.Filters)
	return d.end(p.Props)
}

func (p *Unsuback) String() string {
	d := newDump(p)
	d.add("PacketId=%d, Codes=%v", p.PacketID, p.Codes)
	return d.end(p.Props)
}

func (p *Disconnect) String() string {
	d := newDump(p)
	d.add("Code=%v", p.Code)
	return d.end(p.Props)
}

func (p *Auth) String() string {
	d := newDump(p)
	d.add("Code=%v", p.Code)
	return d.end(p.Props)
}

func (*Pingreq) String() string  { return "PINGREQ" }
func (*Pingresp) String() string { return "PINGRESP" }

// String lists the properties that are present.
func (p *Properties) String() string { return strings.TrimPrefix(p.suffix(), ", ") }

func (p *Properties) suffix() string {
	if p == nil {
		return ""
	}
	var out strings.Builder
	for set := p.Present; set != 0; set &= set - 1 {
		which := Prop(1) << bits.TrailingZeros32(uint32(set))
		fmt.Fprintf(&out, ", %v=%s", which, valueText(p.field(which)))
	}
	return out.String()
}

func valueText(field any) string {
	switch f := field.(type) {
	case *byte:
		return fmt.Sprint(*f)
	case *uint16:
		return fmt.Sprint(*f)
	case *uint32:
		return fmt.Sprint(*f)
	case *string:
		return fmt.Sprintf("%q", *f)
	case *[]byte:
		return fmt.Sprintf("%d bytes", len(*f))
	case *[]uint32:
		return fmt.Sprint(*f)
	case *[]UserProperty:
		return fmt.Sprintf("%q", *f)
	}
	return "?"
}

// dump builds TYPE(field, field, …).
type dump struct {
	out   strings.Builder
	comma string
}

func newDump(p Packet) *dump {
	d := new(dump)
	d.out.WriteString(p.Type().String())
	d.out.WriteByte('(')
	return d
}

func (d *dump) add(format string, args ...any) {
	d.out.WriteString(d.comma)
	fmt.Fprintf(&d.out, format, args...)
	d.comma = ", "
}

func (d *dump) end(p *Properties) string {
	d.out.WriteString(p.suffix())
	d.out.WriteByte(')')
	return d.out.String()
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
