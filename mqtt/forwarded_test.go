package mqtt

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

// forwarded has every property that travels with a message; its texts are such
// that no packet may carry all of them.
func forwarded() *Properties {
	return &Properties{
		Present: ForwardedProps, PayloadFormat: 1, MessageExpiry: math.MaxUint32, ContentType: "text", ResponseTopic: "r/\xff",
		CorrelationData: []byte{0, 255}, UserProperties: []UserProperty{{"a", "1"}, {"a", ""}, {"\x00", strings.Repeat("long", 20_000)}},
	}
}

func TestForwardedProperties(t *testing.T) {
	const behind = "behind"
	same := func(p, want *Properties) {
		t.Helper()
		b := append(p.AppendForwarded(nil), behind...)
		got, rest, err := CutForwarded(b)
		if err != nil || !reflect.DeepEqual(got, want) || string(rest) != behind {
			t.Errorf("%+v became %+v, %q, %v; want %+v", p, got, rest, err, want)
		}
		got, end, err := CutForwarded(string(b))
		if err != nil || !reflect.DeepEqual(got, want) || end != behind {
			t.Errorf("%+v became %+v, %q, %v; want %+v", p, got, end, err, want)
		}
	}
	same(nil, nil)
	same(&Properties{}, nil)
	same(&Properties{Present: PropTopicAlias, TopicAlias: 4}, nil)
	all := forwarded()
	same(all, all)
	more := *all
	more.Present |= PropSubscriptionID
	more.SubscriptionIDs = []uint32{7}
	same(&more, all)
	same(&Properties{Present: PropCorrelationData}, &Properties{Present: PropCorrelationData, CorrelationData: []byte{}})
	for one := Prop(1); one != 0; one <<= 1 { // a new kind that is forgotten fails here
		if p := all.Copy(one & ForwardedProps); p != nil {
			b := p.AppendForwarded(nil)
			if got, _, err := CutForwarded(b); err != nil || got.String() != p.String() || p.String() == "" {
				t.Errorf("%v became %v, %v", p, got, err)
			}
		}
	}
}

func TestForwardedPropertiesBorrowNothing(t *testing.T) {
	b := forwarded().AppendForwarded(nil)
	p, _, err := CutForwarded(b)
	clear(b)
	if err != nil || !reflect.DeepEqual(p, forwarded()) {
		t.Errorf("it lives in the memory it was read from: %v, %v", p, err)
	}
}

func TestForwardedPropertiesRefused(t *testing.T) {
	refused := func(b, want string) {
		t.Helper()
		p, _, err := CutForwarded(b)
		if err == nil || p != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is read as %+v, %v; want %q", b, p, err, want)
		}
	}
	whole := string(forwarded().AppendForwarded(nil))
	for n := range min(len(whole), 200) {
		refused(whole[:n], "too early")
	}
	refused("\x02\x01", "too early")                                                 // shorter than it says
	refused("\x01\x00", "too early")                                                 // there are some, and none
	refused("\x01\x01", "too early")                                                 // no value
	refused("\x03\x04\x05a", "too early")                                            // a text longer than the section
	refused("\x03\x01\x00\x00", "more than their fields")                            // and one shorter
	refused("\x03\x80\x80\x04", "don't belong")                                      // a reason string
	refused("\x06\x02\x80\x80\x80\x80\x10", "too early")                             // an expiry above 32 bits
	refused("\x07\x80\x80\x80\x02\x02\x00\x00", "too early")                         // more user properties than there is room for
	refused("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", "too early")                 // a length above 64 bits
	refused("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x00", "too early") // a number that doesn't end
}

func TestForwardedPropertiesAllocate(t *testing.T) {
	p := forwarded()
	b := p.AppendForwarded(nil)
	if n := testing.AllocsPerRun(100, func() { b = p.AppendForwarded(b[:0]) }); n != 0 {
		t.Errorf("writing takes %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { CutForwarded(b) }); n > 4 { // itself, its texts, the correlation data, the list
		t.Errorf("reading takes %v allocations", n)
	}
}

// FuzzForwarded: what can be read is written the same way again, but for
// numbers that were longer than need be.
func FuzzForwarded(f *testing.F) {
	f.Add(forwarded().AppendForwarded(nil))
	f.Add([]byte{0})
	f.Add([]byte("\x01\x00"))
	f.Add([]byte("\x02\x01\x07behind"))
	f.Add([]byte("\x07\x80\x80\x80\x02\x01\x00\x00"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, rest, err := CutForwarded(data)
		view, end, viewErr := CutForwarded(string(data))
		if !reflect.DeepEqual(p, view) || string(rest) != end || (err == nil) != (viewErr == nil) {
			t.Fatalf("as bytes %+v, %q, %v; as text %+v, %q, %v", p, rest, err, view, end, viewErr)
		}
		if err != nil {
			return
		}
		again, rest, err := CutForwarded(p.AppendForwarded(nil))
		if err != nil || len(rest) > 0 || !reflect.DeepEqual(again, p) {
			t.Fatalf("%+v became %+v, %q, %v", p, again, rest, err)
		}
	})
}

func BenchmarkForwarded(b *testing.B) {
	p := forwarded()
	p.UserProperties = p.UserProperties[:2]
	record := p.AppendForwarded(nil)
	text := string(record)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			record = p.AppendForwarded(record[:0])
		}
	})
	b.Run("cut", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			CutForwarded(record)
		}
	})
	b.Run("cut text", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			CutForwarded(text)
		}
	})
}
