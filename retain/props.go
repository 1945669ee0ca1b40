package retain

import (
	"encoding/binary"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// appendProps writes those properties of p that belong to the message: which
// they are, then their values in the order below.
func appendProps(dst []byte, p *mqtt.Properties) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.Present&mqtt.ForwardedProps))
	if p.Has(mqtt.PropPayloadFormat) {
		dst = append(dst, p.PayloadFormat)
	}
	if p.Has(mqtt.PropMessageExpiry) {
		dst = binary.AppendUvarint(dst, uint64(p.MessageExpiry))
	}
	if p.Has(mqtt.PropContentType) {
		dst = appendText(dst, p.ContentType)
	}
	if p.Has(mqtt.PropResponseTopic) {
		dst = appendText(dst, p.ResponseTopic)
	}
	if p.Has(mqtt.PropCorrelationData) {
		dst = appendText(dst, p.CorrelationData)
	}
	if p.Has(mqtt.PropUserProperty) {
		dst = binary.AppendUvarint(dst, uint64(len(p.UserProperties)))
		for _, u := range p.UserProperties {
			dst = appendText(appendText(dst, u.Key), u.Value)
		}
	}
	return dst
}

// cutProps takes what appendProps has written off s.
func cutProps(s string) (p *mqtt.Properties, rest string) {
	n, s := cutUvarint(s)
	p = &mqtt.Properties{Present: mqtt.Prop(n)}
	if p.Has(mqtt.PropPayloadFormat) {
		p.PayloadFormat, s = s[0], s[1:]
	}
	if p.Has(mqtt.PropMessageExpiry) {
		n, s = cutUvarint(s)
		p.MessageExpiry = uint32(n)
	}
	if p.Has(mqtt.PropContentType) {
		p.ContentType, s = cutText(s)
	}
	if p.Has(mqtt.PropResponseTopic) {
		p.ResponseTopic, s = cutText(s)
	}
	if p.Has(mqtt.PropCorrelationData) {
		var data string
		data, s = cutText(s)
		p.CorrelationData = bytesOf(data)
	}
	if p.Has(mqtt.PropUserProperty) {
		n, s = cutUvarint(s)
		p.UserProperties = make([]mqtt.UserProperty, n)
		for i := range p.UserProperties {
			u := &p.UserProperties[i]
			u.Key, s = cutText(s)
			u.Value, s = cutText(s)
		}
	}
	return p, s
}
