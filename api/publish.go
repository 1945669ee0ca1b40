package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// publish publishes one message to each of the topics.
func (m *messages) publish(p params) (any, error) {
	qos := p.whole("qos", 0)
	if qos < 0 || qos > 2 {
		return nil, fail(codeValue, "bad qos: must be 0, 1 or 2")
	}
	names, err := topics(p, topic.ValidName)
	if err != nil {
		return nil, err
	}
	payload, err := payload(p)
	if err != nil {
		return nil, err
	}
	props, err := properties(p)
	if err != nil {
		return nil, err
	}
	b := m.o.Broker.NewBatch()
	defer b.End()
	ids := make([]string, len(names))
	for i, name := range names {
		message := new(mqtt.Message)
		message.SetPublish(&mqtt.Publish{
			Topic: name, Payload: payload, QoS: mqtt.QoS(qos), Retain: p.flag("retain"), Props: props.Copy(mqtt.ForwardedProps),
		}, b.Now())
		message.From = p.text(m.clientID)
		if code, _ := m.o.Broker.PublishKept(b, nil, message); code.Failed() {
			return nil, fail(codeUnknown, name+": "+code.String())
		}
		ids[i] = newID(b.Now())
	}
	_, several := p["topics"]
	switch {
	case p["return"] == nil:
		return nil, nil
	case several:
		return object{"msgids": ids}, nil
	}
	return object{"msgid": ids[0]}, nil
}

// newID is an id in the form of EMQ X's: when the message was made, and
// something that no other has. It is for the caller's log; the message doesn't
// bear it.
func newID(now int64) string {
	return fmt.Sprintf("%016X%016X", now*1000, rand.Uint64())
}

// payload is what is sent.
func payload(p params) ([]byte, error) {
	text, isText := p["payload"].(string)
	switch {
	case p["payload"] == nil:
		return nil, nil
	case !isText:
		var buf bytes.Buffer
		e := json.NewEncoder(&buf)
		e.SetEscapeHTML(false)
		err := e.Encode(p["payload"])
		return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
	case p.text("encoding") == "base64":
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fail(codeValue, "bad payload: must be base64")
		}
		return raw, nil
	}
	return []byte(text), nil
}

// properties are those of MQTT 5 that a publisher may give [MQTT-3.3.2.3].
// Those with another meaning are ignored, as by EMQ X.
func properties(p params) (*mqtt.Properties, error) {
	given, ok := p["properties"].(map[string]any)
	if !ok && p["properties"] != nil {
		return nil, fail(codeValue, "bad properties: must be an object")
	}
	props := new(mqtt.Properties)
	if err := setProperties(props, given); err != nil {
		return nil, err
	}
	for _, users := range []any{p["user_properties"], given["user_properties"]} {
		if err := addUserProperties(props, users); err != nil {
			return nil, err
		}
	}
	return props, nil
}

func setProperties(props *mqtt.Properties, given map[string]any) error {
	number := func(name string, most int64, set func(int64), which mqtt.Prop) error {
		if given[name] == nil {
			return nil
		}
		n, ok := given[name].(json.Number)
		v, err := n.Int64()
		if !ok || err != nil || v < 0 || v > most {
			return fail(codeValue, fmt.Sprintf("bad %s: must be integer, at most %d", name, most))
		}
		set(v)
		props.Present |= which
		return nil
	}
	text := func(name string, set func(string), which mqtt.Prop) error {
		if given[name] == nil {
			return nil
		}
		v, ok := given[name].(string)
		if !ok || !sendable(v) {
			return fail(codeValue, fmt.Sprintf("bad %s: must be string", name))
		}
		set(v)
		props.Present |= which
		return nil
	}
	for _, err := range []error{
		number("payload_format_indicator", 1, func(n int64) { props.PayloadFormat = byte(n) }, mqtt.PropPayloadFormat),
		number("message_expiry_interval", math.MaxUint32, func(n int64) { props.MessageExpiry = uint32(n) }, mqtt.PropMessageExpiry),
		text("response_topic", func(s string) { props.ResponseTopic = s }, mqtt.PropResponseTopic),
		text("correlation_data", func(s string) { props.CorrelationData = []byte(s) }, mqtt.PropCorrelationData),
		text("content_type", func(s string) { props.ContentType = s }, mqtt.PropContentType),
	} {
		if err != nil {
			return err
		}
	}
	if props.Has(mqtt.PropResponseTopic) && topic.ValidName(props.ResponseTopic) != nil { // [MQTT-3.3.2-14]
		return fail(codeValue, "bad response_topic: must be a topic name")
	}
	return nil
}

// sendable reports whether MQTT has room for a string [MQTT-1.5.4-2]. That it is
// UTF-8 the decoder of JSON has seen to.
func sendable(s string) bool { return len(s) <= math.MaxUint16 && strings.IndexByte(s, 0) < 0 }

// addUserProperties adds the members of an object, in the order of names.
func addUserProperties(props *mqtt.Properties, users any) error {
	given, ok := users.(map[string]any)
	if !ok && users != nil {
		return fail(codeValue, "bad user_properties: must be an object")
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value, ok := given[name].(string)
		if !ok || !sendable(name) || !sendable(value) {
			return fail(codeValue, "bad user_properties: must be strings")
		}
		props.Present |= mqtt.PropUserProperty
		props.UserProperties = append(props.UserProperties, mqtt.UserProperty{Key: name, Value: value})
	}
	return nil
}
