package retain

import "math/bits"

// Topics are ordered level by level: as bytes, but with the slash before
// everything else. So a topic stands right before all topics below it, and
// whatever a level of a filter excludes is one stretch that can be skipped.

// rank is a byte's place in the order; different bytes have different ranks.
func rank(c byte) int {
	if c == '/' {
		return -1
	}
	return int(c)
}

// afterBelow, put behind a topic, makes the place after all topics below it:
// it is the next in rank to the slash, as no topic has U+0000 [MQTT-4.7.3-2].
const afterBelow = 1

// compare returns the order of two topics, and the byte at which they part:
// the shorter one's length if the longer begins with it.
func compare(a []byte, b string) (order, at int) {
	at = common(a, b)
	switch {
	case at < len(a) && at < len(b):
		return rank(a[at]) - rank(b[at]), at
	default:
		return len(a) - len(b), at
	}
}

// common is the number of bytes with which both begin.
func common(a []byte, b string) int {
	n, i := min(len(a), len(b)), 0
	for ; i+8 <= n; i += 8 {
		if x := word(a[i:]) ^ word(b[i:]); x != 0 {
			return i + bits.LeadingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// word reads eight bytes as one big-endian number; the compiler makes one
// load of it.
func word[T string | []byte](s T) uint64 {
	_ = s[7]
	return uint64(s[0])<<56 | uint64(s[1])<<48 | uint64(s[2])<<40 | uint64(s[3])<<32 |
		uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7])
}

// head is a number made of the eight bytes of s from the byte skip on, filled
// up with zeros. Of two topics that are equal up to there, the lower one never
// has the greater head.
func head[T string | []byte](s T, skip int) (h uint64) {
	if skip+8 <= len(s) {
		return sink(word(s[skip:]))
	}
	for i := skip; i < skip+8; i++ {
		h <<= 8
		if i < len(s) {
			h |= uint64(s[i])
		}
	}
	return sink(h)
}

// sink turns each slash in a word into the lowest byte, 0, all eight at once:
// a byte of x is 0 where w has a slash, and only there adding 0x7f to its low
// bits leaves the top bit clear.
func sink(w uint64) uint64 {
	const low, slashes = 0x7f7f7f7f7f7f7f7f, 0x2f2f2f2f2f2f2f2f
	x := w ^ slashes
	zeros := ^((x&low + low) | x | low) >> 7
	return w &^ (zeros * 0xff)
}
