package mqtt

import (
	"reflect"
	"testing"
)

func TestForwardedProperties(t *testing.T) {
	same := func(p, want *Properties) {
		t.Helper()
		got, err := ReadForwarded(p.AppendForwarded(nil))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v became %+v, %v; want %+v", p, got, err, want)
		}
	}
	same(nil, nil)
	same(&Properties{}, nil)
	same(&Properties{Present: PropTopicAlias, TopicAlias: 4}, nil)
	all := &Properties{
		Present: ForwardedProps, PayloadFormat: 1, MessageExpiry: 60, ContentType: "text", ResponseTopic: "r/1",
		CorrelationData: []byte{}, UserProperties: []UserProperty{{"a", "1"}, {"a", ""}},
	}
	same(all, all)
	more := *all
	more.Present |= PropSubscriptionID
	more.SubscriptionIDs = []uint32{7}
	same(&more, all)
}

func TestForwardedPropertiesRefused(t *testing.T) {
	refused := func(b string) {
		t.Helper()
		if p, err := ReadForwarded([]byte(b)); err == nil {
			t.Errorf("%q is read as %+v", b, p)
		}
	}
	refused("\x01")             // ends before its value
	refused("\x23\x00\x01")     // a topic alias is the connection's own
	refused("\x03\x00\x02\xff") // cut short
	refused("\x03\x00\x01\xff") // not UTF-8
	refused("\x7f\x00")         // no such property
}
