package fields

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestReader: each field comes back as it was written, and the next is read
// behind it.
func TestReader(t *testing.T) {
	b := []byte{3, 7, 1, 0x12, 0x34}
	b = binary.AppendUvarint(b, math.MaxUint64)
	b = binary.AppendVarint(b, math.MinInt64)
	b = binary.AppendVarint(b, math.MaxInt64)
	b = AppendText(b, "text")
	b = AppendText(b, []byte("same"))
	b = AppendText(b, "other")
	b = append(b, 9, 2, 'x', 'y', 'z')
	r := Reader{Left: b}
	r.Version(3)
	if r.Byte() != 7 || !r.Flag() || r.Uint16() != 0x1234 || r.Number() != math.MaxUint64 || r.Signed() != math.MinInt64 || r.Signed() != math.MaxInt64 {
		t.Error("a number came back as another one")
	}
	if r.Text() != "text" || r.TextLike("same") != "same" || r.TextLike("same") != "other" {
		t.Error("a text came back as another one")
	}
	if r.Below(10, "the number") != 9 || r.Count() != 2 || string(r.Take(2)) != "xy" {
		t.Error("a bounded number came back as another one")
	}
	if err := r.End(); err == nil || err.Error() != "there are 1 bytes behind its end" {
		t.Error(err)
	}
}

// TestWrong: a field that can't be read is a zero with one clear error, which
// stays the first one.
func TestWrong(t *testing.T) {
	text := func(r *Reader) bool { return r.Text() == "" }
	number := func(r *Reader) bool { return r.Number() == 0 }
	for _, c := range []struct {
		name, b, want string
		read          func(r *Reader) bool // true: it is zero
	}{
		{"no byte", "", ErrShort.Error(), func(r *Reader) bool { return r.Byte() == 0 }},
		{"half of a number", "\x01", ErrShort.Error(), func(r *Reader) bool { return r.Uint16() == 0 }},
		{"no varint", "", ErrShort.Error(), number},
		{"a varint without end", "\x80\x80", ErrShort.Error(), number},
		{"a varint too large", strings.Repeat("\xff", 10), ErrShort.Error(), number},
		{"a text too long", "\x05text", ErrShort.Error(), text},
		{"a length without end", strings.Repeat("\xff", 9) + "\x01", ErrShort.Error(), text},
		{"more things than bytes", "\x03xy", ErrShort.Error(), func(r *Reader) bool { return r.Count() == 0 }},
		{"above its limit", "\x0a", "the shard is 10, less than 10 was expected", func(r *Reader) bool { return r.Below(10, "the shard") == 0 }},
		{"another version", "\x02", "it has version 2, this program knows version 1", func(r *Reader) bool { r.Version(1); return true }},
		{"no version", "", ErrShort.Error(), func(r *Reader) bool { r.Version(1); return true }},
	} {
		r := Reader{Left: []byte(c.b)}
		if !c.read(&r) || r.Err == nil || r.Err.Error() != c.want || r.Left != nil {
			t.Errorf("%s: %v, want %s", c.name, r.Err, c.want)
		}
		first := r.Err
		r.Fail(errors.New("a later one"))
		if r.Number() != 0 || r.Err != first || r.End() != first {
			t.Errorf("%s: then %v", c.name, r.Err)
		}
	}
}

// TestTake: who appends to what was taken doesn't write over what follows.
func TestTake(t *testing.T) {
	b := []byte("abc")
	r := Reader{Left: b}
	taken := append(r.Take(1), 'x')
	if !slices.Equal(taken, []byte("ax")) || string(b) != "abc" {
		t.Errorf("%q of %q", taken, b)
	}
}

// FuzzReader: no bytes make a reader read beyond them, or go on after an error.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x03abc\x01\x00\x05hello"), []byte{0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), []byte{5, 3})
	f.Fuzz(func(t *testing.T, data, ops []byte) {
		r := Reader{Left: data}
		for _, op := range ops {
			before, failed := len(r.Left), r.Err
			got := uint64(0)
			switch op % 8 {
			case 0:
				got = uint64(r.Byte())
			case 1:
				got = uint64(r.Uint16())
			case 2:
				got = r.Number()
			case 3:
				got = uint64(r.Signed())
			case 4:
				got = uint64(r.Count())
			case 5:
				got = uint64(len(r.Bytes()))
			case 6:
				got = r.Below(100, "it")
			case 7:
				got = uint64(len(r.Text()))
			}
			if op%8 >= 4 && op%8 != 6 && got > uint64(before) || op%8 == 6 && got >= 100 {
				t.Fatalf("%d of %d bytes", got, before)
			}
			if len(r.Left) > before || r.Err != nil && (len(r.Left) > 0 || got != 0) || failed != nil && r.Err != failed {
				t.Fatalf("%d bytes left of %d, read %d, %v after %v", len(r.Left), before, got, r.Err, failed)
			}
		}
	})
}
