package mqtttest

import (
	"slices"
	"strings"
)

// propDef is one property of MQTT 5 clause 2.2.2.2: its identifier, its name in scenarios, the form of its value and the
// packets from a server that it may stand in.
type propDef struct {
	id   byte
	name string
	form string // byte u16 u32 varint text binary pair
	in   string // kinds; * all, "" none
}

func (d propDef) isNumber() bool { return !slices.Contains([]string{"text", "binary", "pair"}, d.form) }

// mayRepeat: a user property anywhere, a subscription identifier in a PUBLISH from the server.
func (d propDef) mayRepeat() bool { return d.name == "user" || d.name == "sub-id" }

func (d propDef) allowedIn(kind string) bool {
	return d.in == "*" || slices.Contains(strings.Fields(d.in), kind)
}

var propDefs = []propDef{
	{0x01, "payload-format", "byte", "PUBLISH"},
	{0x02, "message-expiry", "u32", "PUBLISH"},
	{0x03, "content-type", "text", "PUBLISH"},
	{0x08, "response-topic", "text", "PUBLISH"},
	{0x09, "correlation", "binary", "PUBLISH"},
	{0x0b, "sub-id", "varint", "PUBLISH"},
	{0x11, "session-expiry", "u32", "CONNACK"},
	{0x12, "assigned-id", "text", "CONNACK"},
	{0x13, "server-keepalive", "u16", "CONNACK"},
	{0x15, "auth-method", "text", "CONNACK AUTH"},
	{0x16, "auth-data", "binary", "CONNACK AUTH"},
	{0x17, "request-problem", "byte", ""},
	{0x18, "will-delay", "u32", ""},
	{0x19, "request-response", "byte", ""},
	{0x1a, "response-info", "text", "CONNACK"},
	{0x1c, "server-reference", "text", "CONNACK DISCONNECT"},
	{0x1f, "reason", "text", "CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH"},
	{0x21, "receive-max", "u16", "CONNACK"},
	{0x22, "alias-max", "u16", "CONNACK"},
	{0x23, "alias", "u16", "PUBLISH"},
	{0x24, "max-qos", "byte", "CONNACK"},
	{0x25, "retain-available", "byte", "CONNACK"},
	{0x26, "user", "pair", "*"},
	{0x27, "max-packet", "u32", "CONNACK"},
	{0x28, "wildcard-available", "byte", "CONNACK"},
	{0x29, "subid-available", "byte", "CONNACK"},
	{0x2a, "shared-available", "byte", "CONNACK"},
}

func propByName(name string) (propDef, bool) {
	i := slices.IndexFunc(propDefs, func(d propDef) bool { return d.name == name })
	if i < 0 {
		return propDef{}, false
	}
	return propDefs[i], true
}

func propByID(id byte) (propDef, bool) {
	i := slices.IndexFunc(propDefs, func(d propDef) bool { return d.id == id })
	if i < 0 {
		return propDef{}, false
	}
	return propDefs[i], true
}

// kinds is the packet type of each kind, MQTT 5 clause 2.1.2.
var kinds = []string{1: "CONNECT", 2: "CONNACK", 3: "PUBLISH", 4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP", 8: "SUBSCRIBE",
	9: "SUBACK", 10: "UNSUBSCRIBE", 11: "UNSUBACK", 12: "PINGREQ", 13: "PINGRESP", 14: "DISCONNECT", 15: "AUTH"}

// reasonCodes lists the codes that each kind may carry in version 5 (clause 2.4 and the tables of chapter 3).
var reasonCodes = map[string][]byte{
	"CONNACK": {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c,
		0x9d, 0x9f},
	"PUBACK":   {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
	"PUBREC":   {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
	"PUBREL":   {0x00, 0x92},
	"PUBCOMP":  {0x00, 0x92},
	"SUBACK":   {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2},
	"UNSUBACK": {0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91},
	"DISCONNECT": {0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
		0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2},
	"AUTH": {0x00, 0x18, 0x19},
}
