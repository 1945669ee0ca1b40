// Package mqtt holds the wire language of MQTT 3.1, 3.1.1 and 5.0 in one set
// of types: packets, properties, reason codes, the decoder and the encoder,
// and Message, the unit that the broker routes.
//
// It knows nothing of sessions, topics' meaning or connections: it turns bytes
// into packets and packets into bytes, and says with a reason code what is
// wrong with bytes that are no packet. Differences between the versions are
// resolved here, so that the rest of the broker speaks version 5 and only the
// encoder remembers what an older client can't be told.
package mqtt
