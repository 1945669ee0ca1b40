package durable

import (
	"encoding/binary"
	"fmt"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// appendProps writes those properties that belong to the message: which they
// are, then their values in the order below. Their strings may be anything,
// since functions on hooks may have made them.
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

func (r *reader) props() *mqtt.Properties {
	p := &mqtt.Properties{Present: mqtt.Prop(r.below(1<<32, "the set of properties"))}
	if p.Present&^mqtt.ForwardedProps != 0 {
		r.fail(fmt.Errorf("it has properties that don't belong to a message: %#x", uint32(p.Present&^mqtt.ForwardedProps)))
	}
	if p.Present == 0 {
		return nil
	}
	if p.Has(mqtt.PropPayloadFormat) {
		p.PayloadFormat = r.byte()
	}
	if p.Has(mqtt.PropMessageExpiry) {
		p.MessageExpiry = uint32(r.below(1<<32, "the expiry"))
	}
	if p.Has(mqtt.PropContentType) {
		p.ContentType = r.text()
	}
	if p.Has(mqtt.PropResponseTopic) {
		p.ResponseTopic = r.text()
	}
	if p.Has(mqtt.PropCorrelationData) {
		p.CorrelationData = r.bytes()
	}
	if p.Has(mqtt.PropUserProperty) {
		p.UserProperties = make([]mqtt.UserProperty, r.count())
		for i := range p.UserProperties {
			p.UserProperties[i] = mqtt.UserProperty{Key: r.text(), Value: r.text()}
		}
	}
	return p
}
