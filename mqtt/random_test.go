package mqtt

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// random makes packets that are valid in version v and hold all that v can
// say, so that they come back from the wire unchanged.
type random struct {
	*rand.Rand
	v Version
}

func (r random) packet(t Type) Packet {
	switch t {
	case TypeConnect:
		return r.connect()
	case TypeConnack:
		c := &Connack{SessionPresent: r.yes() && r.v != V31, Props: r.props(connackProps)}
		if !c.SessionPresent {
			c.Code, _ = fromConnackV3(byte(r.IntN(6)))
		}
		return c
	case TypePublish:
		allowed := publishProps
		p := &Publish{QoS: QoS(r.IntN(3)), Retain: r.yes(), Topic: r.text(), Payload: r.bytes(), Props: r.props(allowed)}
		if p.QoS > 0 {
			p.Dup, p.PacketID = r.yes(), r.id()
		}
		return p
	case TypePuback, TypePubrec, TypePubrel, TypePubcomp:
		return &Ack{Kind: t, PacketID: r.id(), Code: r.code(t), Props: r.props(resultProps)}
	case TypeSubscribe:
		return r.subscribe()
	case TypeSuback:
		p := &Suback{PacketID: r.id(), Props: r.props(resultProps)}
		for range 1 + r.IntN(4) {
			p.Codes = append(p.Codes, r.code(t))
		}
		if r.v != V5 {
			p.Codes = append(p.Codes, UnspecifiedError)
		}
		return p
	case TypeUnsubscribe:
		p := &Unsubscribe{PacketID: r.id(), Props: r.props(unsubscribeProps)}
		for range 1 + r.IntN(4) {
			p.Filters = append(p.Filters, r.text())
		}
		return p
	case TypeUnsuback:
		p := &Unsuback{PacketID: r.id(), Props: r.props(resultProps)}
		for range 1 + r.IntN(4) {
			if r.v == V5 {
				p.Codes = append(p.Codes, r.code(t))
			}
		}
		return p
	case TypePingreq:
		return &Pingreq{}
	case TypePingresp:
		return &Pingresp{}
	case TypeDisconnect:
		side := []Prop{PropSessionExpiry, PropServerReference}[r.IntN(2)] // one for each direction
		return &Disconnect{Code: r.code(t), Props: r.props(disconnectProps &^ side)}
	}
	return &Auth{Code: []ReasonCode{Success, ContinueAuthentication, ReAuthenticate}[r.IntN(3)], Props: r.props(authProps)}
}

func (r random) connect() *Connect {
	c := &Connect{Version: r.v, Bridge: r.yes(), CleanStart: r.yes(), KeepAlive: uint16(r.Uint32()), ClientID: r.text(),
		Props: r.props(connectProps)}
	if r.yes() {
		c.Will = &Will{QoS: QoS(r.IntN(3)), Retain: r.yes(), Topic: r.text(), Payload: r.bytes(), Props: r.props(willProps)}
	}
	if r.yes() {
		name := r.text()
		c.Username = &name
	}
	if r.yes() && (c.Username != nil || r.v == V5) {
		c.Password = r.bytes()
	}
	return c
}

func (r random) subscribe() *Subscribe {
	p := &Subscribe{PacketID: r.id(), Props: r.props(subscribeProps)}
	if p.Props.Has(PropSubscriptionID) {
		p.Props.SubscriptionIDs = p.Props.SubscriptionIDs[:1]
	}
	for range 1 + r.IntN(4) {
		f := SubscribeFilter{r.text(), SubscribeOptions{QoS: QoS(r.IntN(3))}}
		if r.v == V5 {
			f.NoLocal, f.RetainAsPublished, f.RetainHandling = r.yes(), r.yes(), byte(r.IntN(3))
		}
		p.Filters = append(p.Filters, f)
	}
	return p
}

func (r random) yes() bool     { return r.IntN(2) == 1 }
func (r random) id() uint16    { return uint16(1 + r.IntN(0xFFFF)) }
func (r random) bytes() []byte { return []byte(r.text()) }

func (r random) text() string {
	parts := []string{"", "a", "site/1/dev/2", "ä/€/😀", "$SYS/#", string(bytes.Repeat([]byte("long"), 60))}
	return parts[r.IntN(len(parts))] + parts[r.IntN(len(parts))]
}

// code is one that the version can say in that packet.
func (r random) code(t Type) ReasonCode {
	if r.v != V5 {
		return Success
	}
	for {
		if c := ReasonCode(r.IntN(256)); c.fits(t) {
			return c
		}
	}
}

// props is a random part of the allowed properties; nil before version 5.
func (r random) props(allowed Prop) *Properties {
	present := allowed & Prop(r.Uint32())
	if r.v != V5 || present&^PropAuthData == 0 {
		return nil
	}
	if present&PropAuthMethod == 0 {
		present &^= PropAuthData
	}
	p := &Properties{Present: present}
	for set := present; set != 0; set &= set - 1 {
		switch f := p.field(1 << bits.TrailingZeros32(uint32(set))).(type) {
		case *byte:
			*f = byte(r.IntN(2))
		case *uint16:
			*f = r.id()
		case *uint32:
			*f = 1 + r.Uint32N(0xFFFFFFFF)
		case *string:
			*f = r.text()
		case *[]byte:
			*f = r.bytes()
		case *[]uint32:
			*f = []uint32{1 + r.Uint32N(MaxRemaining), 1 + r.Uint32N(200)}[:1+r.IntN(2)]
		case *[]UserProperty:
			*f = []UserProperty{{r.text(), r.text()}, {"k", r.text()}}[:1+r.IntN(2)]
		}
	}
	return p
}

// eachRandom calls do with many packets of every type and version.
func eachRandom(rounds int, do func(p Packet, v Version)) {
	r := random{Rand: rand.New(rand.NewPCG(1, 2))}
	for range rounds {
		for _, r.v = range []Version{V31, V311, V5} {
			for t := TypeConnect; t <= TypeAuth; t++ {
				if t != TypeAuth || r.v == V5 {
					do(r.packet(t), r.v)
				}
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	var d Decoder // one for all: nothing may stay from the packet before
	eachRandom(300, func(p Packet, v Version) {
		buf := Append([]byte("before"), p, v)[len("before"):]
		s := streamFor(p, v)
		s.Strict = true
		got, n, err := d.Next(&s, append(buf, 0x55))
		if err != nil || n != len(buf) || !same(got, p) {
			t.Fatalf("version %d, % X:\ngot  %v, %d, %v\nwant %v, %d", v, buf, got, n, err, p, len(buf))
		}
		if size, ok := PacketSize(buf); !ok || size != len(buf) {
			t.Fatalf("PacketSize of %v is %d, %t, want %d", p, size, ok, len(buf))
		}
	})
}

// TestByteByByte: whatever the pieces in which bytes arrive, the packets are
// the same, and an unfinished one is neither a packet nor an error.
func TestByteByByte(t *testing.T) {
	var d Decoder
	eachRandom(20, func(p Packet, v Version) {
		s := streamFor(p, v)
		full := Append(nil, p, v)
		for i := range full {
			if got, n, err := d.Next(&s, full[:i:i]); got != nil || n != 0 || err != nil {
				t.Fatalf("%d of %d bytes of %v: got %v, %d, %v", i, len(full), p, got, n, err)
			}
			if size, ok := PacketSize(full[:i]); ok && size != len(full) {
				t.Fatalf("%d bytes of %v: PacketSize is %d, want %d", i, p, size, len(full))
			}
		}
		if got, n, err := d.Next(&s, full); err != nil || n != len(full) || !same(got, p) {
			t.Fatalf("got %v, %d, %v, want %v", got, n, err, p)
		}
	})
}

// TestTruncated: a packet whose remaining length ends before its fields is an
// error, whichever byte is the last, unless it is a shorter packet.
func TestTruncated(t *testing.T) {
	eachRandom(20, func(p Packet, v Version) {
		full := Append(nil, p, v)
		_, n := readVarint(full[1:])
		for body := full[1+n:]; len(body) > 0; {
			body = body[:len(body)-1]
			short := append(appendVarint([]byte{full[0]}, uint32(len(body))), body...)
			s := streamFor(p, v)
			got, size, err := new(Decoder).Next(&s, short)
			if err == nil && (size != len(short) || same(got, p)) {
				t.Fatalf("% X, cut from %v: got %v, %d", short, p, got, size)
			}
		}
	})
}

// TestOwnership: only a PUBLISH's payload is a view of the buffer, and the next
// packet changes nothing of those that are the caller's.
func TestOwnership(t *testing.T) {
	var d Decoder
	eachRandom(20, func(p Packet, v Version) {
		s := streamFor(p, v)
		buf := Append(nil, p, v)
		got, _, err := d.Next(&s, buf)
		if err != nil {
			t.Fatal(err)
		}
		if p, is := got.(*Publish); is {
			c := *p // a copy of struct and Properties, as Message.Keep makes one
			c.Props = p.Props.Copy(publishProps)
			c.Payload = bytes.Clone(p.Payload)
			got = &c
		}
		if a, is := got.(*Ack); is {
			c := *a
			c.Props = a.Props.Copy(resultProps)
			got = &c
		}
		clear(buf)
		other := Append(nil, &Publish{Topic: "other", QoS: 1, PacketID: 9, Props: &Properties{Present: ForwardedProps,
			ContentType: "other", UserProperties: []UserProperty{{"other", "other"}}}}, V5)
		if _, _, err := d.Next(&Stream{Version: V5}, other); err != nil {
			t.Fatal(err)
		}
		if !same(got, p) {
			t.Fatalf("got %v, want %v", got, p)
		}
	})
}

func FuzzDecode(f *testing.F) {
	eachRandom(2, func(p Packet, v Version) {
		s := streamFor(p, v)
		f.Add(byte(s.Version), s.Client, Append(nil, p, v))
	})
	f.Fuzz(func(t *testing.T, version byte, client bool, buf []byte) {
		s := Stream{Version: Version(version % 6), Client: client, MaxPacketSize: 1 << 16}
		again := s
		p, n, err := new(Decoder).Next(&s, buf)
		if err != nil || n == 0 {
			if p != nil || n != 0 {
				t.Fatalf("got %v, %d beside %v", p, n, err)
			}
			return
		}
		if size, ok := PacketSize(buf); !ok || size != n {
			t.Fatalf("%v takes %d bytes, PacketSize says %d, %t", p, n, size, ok)
		}
		if dump, is := p.(interface{ String() string }); !is || dump.String() == "" {
			t.Fatalf("%T has no String", p)
		}
		wire := Append(nil, p, s.Version)
		if len(wire) > n {
			t.Fatalf("%v grows from %d to %d bytes", p, n, len(wire))
		}
		q, m, err := new(Decoder).Next(&again, wire)
		if err != nil || m != len(wire) || !same(p, q) {
			t.Fatalf("% X\nis   %v\nthen %v, %d of %d, %v", buf[:n], p, q, m, len(wire), err)
		}
	})
}
