package otel

import (
	"strings"
	"testing"

	collectortraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

func TestPartial(t *testing.T) {
	f := func(rejected int64, why string) {
		t.Helper()
		text, err := proto.Marshal(&collectortraces.ExportTraceServiceResponse{
			PartialSuccess: &collectortraces.ExportTracePartialSuccess{RejectedSpans: rejected, ErrorMessage: why},
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, got, err := partial(text); n != max(rejected, 0) || got != why || err != nil {
			t.Errorf("%d %q: %d %q %v", rejected, why, n, got, err)
		}
	}
	f(0, "")
	f(7, "")
	f(1<<40, strings.Repeat("x", 300))
	f(-1, "less than none")
	if n, why, err := partial(nil); n != 0 || why != "" || err != nil {
		t.Errorf("an empty answer: %d %q %v", n, why, err)
	}
	for _, bad := range []string{"\x0a\x05x", "\x08", "\x0a\x02\x08", "\x0f", "\x00\x00", "\x09\x01", strings.Repeat("\xff", 12)} {
		if _, _, err := partial([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	for _, other := range []string{"\x10\x05", "\x19\x01\x02\x03\x04\x05\x06\x07\x08", "\x25\x01\x02\x03\x04", "\x08\x01"} {
		if n, _, err := partial([]byte(other)); n != 0 || err != nil {
			t.Errorf("%q, which is about something else: %d %v", other, n, err)
		}
	}
}

func FuzzPartial(f *testing.F) {
	f.Add([]byte("\x0a\x04\x08\x07\x12\x00"))
	f.Add([]byte("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if n, _, _ := partial(text); n < 0 {
			t.Errorf("%q: %d", text, n)
		}
	})
}

// TestInner nests messages of all lengths around which theirs takes a byte more.
func TestInner(t *testing.T) {
	for _, n := range []int{0, 1, 120, 127, 128, 130, 16383, 16384} {
		var m message
		m.inner(1, func() { m.inner(2, func() { m.bytes(3, make([]byte, n)) }) })
		depth, length := 0, -1
		var look func(field int, number uint64, bytes []byte)
		look = func(field int, _ uint64, bytes []byte) {
			depth++
			if field != depth {
				t.Errorf("%d bytes: field %d in depth %d", n, field, depth)
			}
			if length = len(bytes); field < 3 {
				if err := eachField(bytes, look); err != nil {
					t.Errorf("%d bytes: %v", n, err)
				}
			}
		}
		if err := eachField(m, look); err != nil || length != n || depth != 3 {
			t.Errorf("%d bytes: %d in depth %d, %v", n, length, depth, err)
		}
	}
}
