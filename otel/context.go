package otel

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// The user properties that carry the context of a trace, as the header fields
// of W3C Trace Context do.
const (
	propTraceParent = "traceparent"
	propTraceState  = "tracestate"
)

type (
	traceID [16]byte
	spanID  [8]byte
)

// spanContext is the place in a trace that a message comes from.
type spanContext struct {
	trace   traceID
	span    spanID
	sampled bool
}

// parseContext reads a traceparent: 00-<32 hex>-<16 hex>-<2 hex>. Of versions
// that aren't known yet, what follows is left unread, as the standard asks.
func parseContext(s string) (c spanContext, ok bool) {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || strings.ToLower(s[:55]) != s[:55] {
		return c, false
	}
	var version, flags [1]byte
	for _, part := range []struct {
		to   []byte
		from string
	}{{version[:], s[:2]}, {c.trace[:], s[3:35]}, {c.span[:], s[36:52]}, {flags[:], s[53:55]}} {
		if _, err := hex.Decode(part.to, []byte(part.from)); err != nil {
			return spanContext{}, false
		}
	}
	if version[0] == 0xff || version[0] == 0 && len(s) != 55 || len(s) > 55 && s[55] != '-' || c.trace == (traceID{}) || c.span == (spanID{}) {
		return spanContext{}, false
	}
	c.sampled = flags[0]&1 != 0
	return c, true
}

// String is what parseContext reads, of a message that is traced.
func (c spanContext) String() string {
	return "00-" + hex.EncodeToString(c.trace[:]) + "-" + hex.EncodeToString(c.span[:]) + "-01"
}

// contextOf finds the context that a message has; state is what the vendors on
// its way have added.
func contextOf(m *mqtt.Message) (c spanContext, state string, ok bool) {
	if m.Props == nil || !m.Props.Has(mqtt.PropUserProperty) {
		return c, "", false
	}
	for i := range m.Props.UserProperties {
		switch p := &m.Props.UserProperties[i]; p.Key {
		case propTraceParent:
			if c, ok = parseContext(p.Value); !ok {
				return c, "", false
			}
		case propTraceState:
			state = p.Value
		}
	}
	return c, state, ok
}

// withContext returns a copy of m that has c in the place of the context it had.
func withContext(m *mqtt.Message, c spanContext) *mqtt.Message {
	var props mqtt.Properties
	if m.Props != nil {
		props = *m.Props
	}
	if !props.Has(mqtt.PropUserProperty) {
		props.UserProperties = nil
		props.Present |= mqtt.PropUserProperty
	}
	parent := mqtt.UserProperty{Key: propTraceParent, Value: c.String()}
	at := slices.IndexFunc(props.UserProperties, func(p mqtt.UserProperty) bool { return p.Key == propTraceParent })
	if at < 0 {
		props.UserProperties = append(slices.Clip(props.UserProperties), parent)
	} else {
		props.UserProperties = slices.Clone(props.UserProperties)
		props.UserProperties[at] = parent
	}
	k := m.Copy()
	k.Props = &props
	return k
}
