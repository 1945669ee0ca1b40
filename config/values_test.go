package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// read parses text as a field of type T with a tag.
func read[T any](tag reflect.StructTag, text string) (T, error) {
	v := reflect.New(reflect.TypeFor[T]()).Elem()
	err := fieldType{v.Type(), tag}.parse(v, text)
	return v.Interface().(T), err
}

func accepts[T any](t *testing.T, tag reflect.StructTag, text string, want T) {
	t.Helper()
	got, err := read[T](tag, text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%T %q: got %v, %v; want %v", want, text, got, err, want)
	}
	if back := format(reflect.ValueOf(got)); err == nil {
		if again, err := read[T](tag, back); err != nil || !reflect.DeepEqual(again, want) {
			t.Errorf("%T %q: written as %q, read back as %v, %v", want, text, back, again, err)
		}
	}
}

func refuses[T any](t *testing.T, tag reflect.StructTag, text, want string) {
	t.Helper()
	if got, err := read[T](tag, text); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%T %q: got %v, %v; want an error with %q", got, text, got, err, want)
	}
}

func TestNumbers(t *testing.T) {
	accepts(t, "", "42", 42)
	accepts(t, "", "-1", -1)
	accepts[uint8](t, `range:"0..2"`, "2", 2)
	accepts[uint64](t, "", "18446744073709551615", 1<<64-1)
	accepts(t, "", "0.75", 0.75)
	accepts(t, "", "1", 1.0)
	accepts(t, `range:"1.."`, "1", 1)
	refuses[int](t, "", "", "expected a whole number, found nothing")
	refuses[int](t, "", "1.5", `expected a whole number, found "1.5"`)
	refuses[int](t, "", "9223372036854775808", "expected a whole number")
	refuses[int](t, `range:"0..2"`, "3", `expected a value from 0 to 2, found "3"`)
	refuses[int](t, `range:"0..2"`, "x", `expected a whole number from 0 to 2, found "x"`)
	refuses[int](t, `range:"1.."`, "0", "expected a value of at least 1")
	refuses[int](t, `range:"..9"`, "10", "expected a value of at most 9")
	refuses[uint8](t, "", "256", "expected a whole number")
	refuses[uint64](t, `range:"..9"`, "18446744073709551615", "of at most 9")
	refuses[float64](t, "", "a", "expected a number such as 0.75")
	refuses[float64](t, "", "NaN", "expected a number")
	refuses[float64](t, "", "1e999", "expected a number")
}

func TestBool(t *testing.T) {
	for _, on := range []string{"true", "on"} {
		accepts(t, "", on, true)
	}
	for _, off := range []string{"false", "off"} {
		accepts(t, "", off, false)
	}
	for _, bad := range []string{"", "yes", "True", "1"} {
		refuses[bool](t, "", bad, "expected true, false, on or off")
	}
}

func TestStrings(t *testing.T) {
	accepts(t, "", "any thing # at all", "any thing # at all")
	accepts(t, "", "", "")
	accepts(t, `oneof:"a b"`, "b", "b")
	refuses[string](t, `oneof:"a b"`, "c", `expected one of a, b, found "c"`)
	refuses[string](t, `oneof:"a b"`, "", "expected one of a, b, found nothing")
	refuses[string](t, `oneof:"a b"`, strings.Repeat("c", 1000), "…")
	accepts(t, "", "a, b,,c", []string{"a", "b", "c"})
	accepts(t, "", "", []string{})
	accepts(t, `oneof:"a b"`, "a,b", []string{"a", "b"})
	refuses[[]string](t, `oneof:"a b"`, "a,c", "expected one of")
	accepts(t, `range:"..9"`, "1,2", []int{1, 2})
	refuses[[]int](t, `range:"..9"`, "1,20", "of at most 9")
	refuses[chan int](t, "", "1", "cannot be bound")
}

func TestBytes(t *testing.T) {
	accepts(t, "", "0", Bytes(0))
	accepts(t, "", "1023", Bytes(1023))
	accepts(t, "", "1KB", KB)
	accepts(t, "", "64kb", 64*KB)
	accepts(t, "", "1MB", MB)
	accepts(t, "", "2gb", 2*GB)
	for _, bad := range []string{"", "KB", "1Kb", "1 MB", "-1", "1.5MB", "9223372036854775807KB", "1TB", "1KBMB"} {
		refuses[Bytes](t, "", bad, "expected a size such as 4096, 64KB or 1MB")
	}
	refuses[Bytes](t, `range:"1.."`, "0", "of at least 1")
}

func TestDuration(t *testing.T) {
	accepts(t, "", "15s", 15*time.Second)
	accepts(t, "", "1h30m", 90*time.Minute)
	accepts(t, "", "1.5m", 90*time.Second)
	accepts(t, "", ".5s", 500*time.Millisecond)
	accepts(t, "", "0.1s", 100*time.Millisecond)
	accepts(t, "", "0s", time.Duration(0))
	accepts(t, "", "1f1w1d", 22*day)
	accepts(t, "", "3600d", 3600*day)
	accepts(t, "", "0.1ms", time.Millisecond)
	accepts(t, "", "1.0001s", 1001*time.Millisecond)
	accepts(t, `unit:"s"`, "1ms", time.Second)
	accepts(t, `unit:"s"`, "2s", 2*time.Second)
	accepts(t, `unit:"s"`, "1001ms", 2*time.Second)
	accepts(t, `bare:"s"`, "60", time.Minute)
	accepts(t, `bare:"ms"`, "240", 240*time.Millisecond)
	for _, bad := range []string{"", "s", "15", "15 s", "15S", "1s2", "-1s", "1..5s", ".s", "1x", strings.Repeat("1", 19) + "s"} {
		refuses[time.Duration](t, "", bad, "expected a duration such as 15s or 1h30m")
	}
	refuses[time.Duration](t, "", "300000w", "less than 292 years")
	refuses[time.Duration](t, "", strings.Repeat("9", 18)+"f", "less than 292 years")
	refuses[time.Duration](t, `bare:"s"`, "1.5", "or a number of s")
	refuses[time.Duration](t, `bare:"s"`, "", "found nothing")
}

func TestPercent(t *testing.T) {
	accepts(t, "", "80%", Percent(80))
	accepts(t, "", "0%", Percent(0))
	for _, bad := range []string{"", "80", "%", "-1%", "80 %", "0.8%"} {
		refuses[Percent](t, "", bad, "expected a percentage such as 80%")
	}
}

func TestAddress(t *testing.T) {
	accepts(t, "", "1883", NewAddress("", 1883))
	accepts(t, "", "0", NewAddress("", 0))
	accepts(t, "", "0.0.0.0:1883", NewAddress("0.0.0.0", 1883))
	accepts(t, "", ":1883", NewAddress("", 1883))
	accepts(t, "", "localhost:0", NewAddress("localhost", 0))
	accepts(t, "", "::1:1883", NewAddress("::1", 1883))
	accepts(t, "", ":::1883", NewAddress("::", 1883))
	accepts(t, "", "[::1]:1883", NewAddress("::1", 1883))
	accepts(t, "", "fe80::1%eth0:1883", NewAddress("fe80::1%eth0", 1883))
	accepts(t, "", "off", Address{})
	for _, bad := range []string{"", "localhost", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "[::1:1883", "[x]:1", "::z:1", "http://h:1", "a b:1"} {
		refuses[Address](t, "", bad, "expected an address such as 1883, 127.0.0.1:1883 or [::1]:1883, or off")
	}
	if !(Address{}).Off() || NewAddress("", 0).Off() {
		t.Error("only the zero address is off")
	}
}

func TestRate(t *testing.T) {
	accepts(t, "", "1024,4096", Rate{1024, time.Second, 4096})
	accepts(t, "", "10,10", Rate{10, time.Second, 10})
	accepts(t, "", "100KB,10s", Rate{100 * 1024, 10 * time.Second, 100 * 1024})
	accepts(t, "", "10, 1m", Rate{10, time.Minute, 10})
	for _, bad := range []string{"", "10", "10,", "0,10", "10,5", "0,1s", "10,0s", "a,1s", "10,1s,2", "-1,1s"} {
		refuses[Rate](t, "", bad, "expected limit,window such as 100KB,10s, or rate,burst such as 1024,4096")
	}
	if !(Rate{}).IsZero() || (Rate{}).String() != "" {
		t.Error("the zero rate is no limit")
	}
}

func TestCountBytes(t *testing.T) {
	accepts(t, "", "1000|1MB", CountBytes{1000, MB})
	accepts(t, "", "0 | 0MB", CountBytes{})
	for _, bad := range []string{"", "1000", "|", "1|", "|1MB", "-1|1MB", "1|1MB|2", "default"} {
		refuses[CountBytes](t, "", bad, "expected count|size such as 1000|1MB")
	}
}

func TestPriorities(t *testing.T) {
	tag := reflect.StructTag(`range:"0..255"`)
	accepts(t, tag, "none", map[string]int{})
	accepts(t, tag, "topic/1=10,topic/2=8", map[string]int{"topic/1": 10, "topic/2": 8})
	accepts(t, tag, "a=b=1", map[string]int{"a=b": 1})
	refuses[map[string]int](t, tag, "a", "expected none, or a list such as topic/1=10")
	refuses[map[string]int](t, tag, "=1", "expected none, or a list")
	refuses[map[string]int](t, tag, "a=256", "from 0 to 255")
	refuses[map[string]int](t, tag, "a=x", "expected a whole number from 0 to 255")
}

// No text makes a value parser panic, and what is accepted is written back to the same value.
func FuzzValue(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		roundTrip[int](t, text)
		roundTrip[uint16](t, text)
		roundTrip[float64](t, text)
		roundTrip[bool](t, text)
		roundTrip[[]string](t, text)
		roundTrip[Bytes](t, text)
		roundTrip[time.Duration](t, text)
		roundTrip[Percent](t, text)
		roundTrip[Address](t, text)
		roundTrip[Rate](t, text)
		roundTrip[CountBytes](t, text)
	})
}

func roundTrip[T any](t *testing.T, text string) {
	got, err := read[T]("", text)
	if err != nil {
		return
	}
	back := format(reflect.ValueOf(got))
	if again, err := read[T]("", back); err != nil || !reflect.DeepEqual(got, again) {
		t.Errorf("%T %q: read %v, written as %q, read again as %v, %v", got, text, got, back, again, err)
	}
}
