package metrics

import (
	"math"
	"strings"
	"testing"
)

func TestExposition(t *testing.T) {
	written := func(write func(*Exposition), want string) {
		t.Helper()
		var x Exposition
		write(&x)
		if got := string(x.Bytes()); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	written(func(*Exposition) {}, "")
	written(func(x *Exposition) {
		x.Family("a_total", "what is counted", KindCounter)
		x.Value(5)
		x.Family("b_seconds", "", KindGauge)
		x.Value(0.25)
	}, "# HELP a_total what is counted\n# TYPE a_total counter\na_total 5\n# HELP b_seconds \n# TYPE b_seconds gauge\nb_seconds 0.25\n")
	written(func(x *Exposition) {
		x.Family("a_total", "back\\slash and\nline \"end\"", KindReasons)
		x.Value(1, "reason", "a \"b\"\\\n")
		x.Value(2, "x", "1", "y", "\xffé")
	}, "# HELP a_total back\\\\slash and\\nline \"end\"\n# TYPE a_total counter\n"+
		`a_total{reason="a \"b\"\\\n"} 1`+"\n"+`a_total{x="1",y="`+"\uFFFDé"+`"} 2`+"\n")
	written(func(x *Exposition) {
		x.Family("h", "h", KindHistogram)
		x.Histogram([]float64{0, 0.001, 2}, []uint64{1, 2, 0, 4}, 9.5)
		x.Histogram([]float64{1}, []uint64{0, 0}, 0, "a", "b")
	}, "# HELP h h\n# TYPE h histogram\n"+
		`h_bucket{le="0"} 1`+"\n"+`h_bucket{le="0.001"} 3`+"\n"+`h_bucket{le="2"} 3`+"\n"+`h_bucket{le="+Inf"} 7`+"\nh_sum 9.5\nh_count 7\n"+
		`h_bucket{a="b",le="1"} 0`+"\n"+`h_bucket{a="b",le="+Inf"} 0`+"\n"+`h_sum{a="b"} 0`+"\n"+`h_count{a="b"} 0`+"\n")
}

func TestExpositionNumbers(t *testing.T) {
	number := func(v float64, want string) {
		t.Helper()
		if got := string(appendNumber(nil, v)); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
	number(0, "0")
	number(-3, "-3")
	number(1e6, "1000000")
	number(1<<53, "9.007199254740992e+15")
	number(1e-6, "1e-06")
	number(0.1, "0.1")
	number(math.Inf(1), "+Inf")
	number(math.Inf(-1), "-Inf")
	number(math.NaN(), "NaN")
}

// FuzzExposition: whatever a help or a label holds, it stays on its line and within its quotes.
func FuzzExposition(f *testing.F) {
	f.Add("plain", "value")
	f.Add("two\nlines", `"}`)
	f.Add("\\", "\\\xff\n\"")
	f.Fuzz(func(t *testing.T, help, value string) {
		var x Exposition
		x.Family("f", help, KindGauge)
		x.Value(7, "l", value)
		lines := strings.Split(string(x.Bytes()), "\n")
		if len(lines) != 4 || lines[3] != "" {
			t.Fatalf("%d lines: %q", len(lines), lines)
		}
		inside, found := strings.CutPrefix(lines[2], `f{l="`)
		inside, ends := strings.CutSuffix(inside, `"} 7`)
		back := strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\"`, `"`).Replace(inside)
		if !found || !ends || back != strings.ToValidUTF8(value, "\uFFFD") {
			t.Fatalf("%q is written %q", value, lines[2])
		}
	})
}

func TestExpositionDoesNotAllocate(t *testing.T) {
	x := NewExposition(1 << 16)
	bounds, counts := []float64{1, 2}, []uint64{1, 2, 3}
	kind := "publish"
	n := testing.AllocsPerRun(50, func() {
		x.Family("dunlin_packets_received_total", "packets from clients", KindCounter)
		x.Value(12345, "type", kind)
		x.Histogram(bounds, counts, 0.5, "type", kind)
	})
	if n != 0 {
		t.Errorf("%v allocations in a page with room", n)
	}
}
