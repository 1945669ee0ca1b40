package mqtt

// The bits of CONNECT's flags byte, MQTT 5 clause 3.1.2.3.
const (
	flagReserved   = 1 << 0
	flagClean      = 1 << 1
	flagWill       = 1 << 2
	shiftWillQoS   = 3
	flagWillRetain = 1 << 5
	flagPassword   = 1 << 6
	flagUsername   = 1 << 7
)

const bridgeBit = 0x80 // of the protocol level

// readConnect also tells the stream its version as soon as that is known, so
// that an error later in the packet can be answered in the right one.
func readConnect(s *Stream, r *reader) *Connect {
	c := new(Connect)
	c.readProtocol(r)
	if r.err != nil {
		return nil
	}
	if s.Version == 0 {
		s.Version = c.Version
	}
	flags := r.byte("flags")
	c.checkFlags(r, flags)
	c.CleanStart = flags&flagClean != 0
	c.KeepAlive = r.uint16("keep alive")
	c.Props = r.properties(c.Version, nil, connectProps)
	c.ClientID = r.string("client id")
	if flags&flagWill != 0 {
		c.Will = readWill(r, c.Version, flags)
	}
	// In 3.1 the flags may promise a name and a password that are not there.
	there := func() bool { return c.Version != V31 || len(r.left) > 0 }
	if flags&flagUsername != 0 && there() {
		name := r.string("user name")
		c.Username = &name
	}
	if flags&flagPassword != 0 && there() {
		c.Password = r.binary("password")
	}
	r.end()
	return c
}

func (c *Connect) readProtocol(r *reader) {
	name := r.view("protocol name")
	level := r.byte("protocol level")
	c.Version, c.Bridge = Version(level&^bridgeBit), level&bridgeBit != 0
	switch {
	case r.err != nil:
	case string(name) != V31.protocol() && string(name) != V5.protocol(): // [MQTT-3.1.2-1]
		r.fail(malformed(wordMalformed, "CONNECT: protocol name %.20q, expected MQTT or MQIsdp", name))
	case c.Version < V31 || c.Version > V5 || string(name) != c.Version.protocol():
		r.fail(broken(UnsupportedProtocolVersion,
			"CONNECT: protocol %s level %d, expected MQIsdp 3, MQTT 4 or MQTT 5", name, level))
	}
}

// protocol is the name that goes with the level.
func (v Version) protocol() string {
	if v == V31 {
		return "MQIsdp"
	}
	return "MQTT"
}

func (c *Connect) checkFlags(r *reader, flags byte) {
	willQoS := flags >> shiftWillQoS & 3
	switch {
	case flags&flagWill != 0 && willQoS == 3: // [MQTT-3.1.2-12]
		r.fail(malformed(wordMalformed, "CONNECT: will QoS is 3, expected 0 to 2"))
	case flags&flagPassword != 0 && flags&flagUsername == 0 && c.Version != V5: // 3.1.1: [MQTT-3.1.2-22]
		r.fail(malformed(wordMalformed, "CONNECT: a password without a user name, which only version 5 allows"))
	case c.Version == V31: // it left the other bits open
	case flags&flagReserved != 0: // [MQTT-3.1.2-3]
		r.fail(malformed(wordMalformed, "CONNECT: the reserved flag is set"))
	case flags&flagWill == 0 && (willQoS != 0 || flags&flagWillRetain != 0): // [MQTT-3.1.2-11, MQTT-3.1.2-13]
		r.fail(malformed(wordMalformed, "CONNECT: will QoS or will retain is set without a will"))
	}
}

func readWill(r *reader, v Version, flags byte) *Will {
	w := &Will{QoS: QoS(flags >> shiftWillQoS & 3), Retain: flags&flagWillRetain != 0}
	w.Props = r.properties(v, nil, willProps)
	w.Topic = r.string("will topic")
	w.Payload = r.binary("will payload")
	return w
}

func (c *Connect) append(dst []byte) []byte {
	dst, at := begin(dst, TypeConnect)
	dst = appendString(dst, c.Version.protocol())
	level := byte(c.Version)
	if c.Bridge {
		level |= bridgeBit
	}
	dst = append(dst, level, c.flags())
	dst = appendUint16(dst, c.KeepAlive)
	dst = appendProperties(dst, c.Version, c.Props, connectProps)
	dst = appendString(dst, c.ClientID)
	if w := c.Will; w != nil {
		dst = appendProperties(dst, c.Version, w.Props, willProps)
		dst = appendString(dst, w.Topic)
		dst = appendBinary(dst, w.Payload)
	}
	if c.Username != nil {
		dst = appendString(dst, *c.Username)
	}
	if c.sendsPassword() {
		dst = appendBinary(dst, c.Password)
	}
	return finish(dst, at, 0)
}

func (c *Connect) sendsPassword() bool {
	return c.Password != nil && (c.Username != nil || c.Version == V5)
}

func (c *Connect) flags() (flags byte) {
	if c.CleanStart {
		flags |= flagClean
	}
	if w := c.Will; w != nil {
		flags |= flagWill | byte(w.QoS)<<shiftWillQoS
		if w.Retain {
			flags |= flagWillRetain
		}
	}
	if c.Username != nil {
		flags |= flagUsername
	}
	if c.sendsPassword() {
		flags |= flagPassword
	}
	return flags
}
