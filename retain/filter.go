package retain

import "strings"

// topicFilter is a valid topic filter without a prefix such as $share, or
// everything.
type topicFilter string

// everything matches every topic, the server's own included.
const everything topicFilter = ""

// first is the lowest topic that can match.
func (f topicFilter) first() string { return f.literal(0) }

// judge tells whether a topic matches [MQTT-4.7.1-1..3]. If not, it writes to
// skipTo the next place where a match is possible; skipTo comes back empty if
// that is nowhere.
//
// It goes down the levels of both; at the first that don't fit, the filter's
// own level is either still to come below the same parent, or behind us. Then
// only a + further up can offer something new: the next sibling there.
func (f topicFilter) judge(topic string, skipTo []byte) (match bool, to []byte) {
	to = skipTo[:0]
	if f == everything {
		return true, to
	}
	if (f[0] == '+' || f[0] == '#') && strings.HasPrefix(topic, "$") { // [MQTT-4.7.2-1]
		return false, append(to, '$'+1)
	}
	plus := -1 // where the topic's last level that met a + ends
	for i, j := 0, 0; ; {
		want, level := f.level(i), levelOf(topic, j)
		switch {
		case want == "#":
			return true, to
		case want == "+":
			plus = j + len(level)
		case want > level: // without slashes, so plain order will do
			return false, append(append(to, topic[:j]...), f.literal(i)...)
		case want < level:
			return false, beyond(topic, plus, to)
		}
		i, j = i+len(want)+1, j+len(level)+1
		switch more := i <= len(f); {
		case j <= len(topic) && more:
		case j <= len(topic):
			return false, beyond(topic, plus, to)
		case !more || f[i:] == "#":
			return true, to
		default:
			to = append(append(to, topic...), '/')
			return false, append(to, f.literal(i)...)
		}
	}
}

// beyond appends the place behind everything below topic[:plus].
func beyond(topic string, plus int, to []byte) []byte {
	if plus < 0 {
		return to
	}
	return append(append(to, topic[:plus]...), afterBelow)
}

// level is the level of f that begins at byte i.
func (f topicFilter) level(i int) string { return levelOf(string(f), i) }

func levelOf(s string, i int) string {
	level, _, _ := strings.Cut(s[i:], "/")
	return level
}

// literal is what is spelled out of f from byte i on, where a level begins: a
// match that has the levels before i can't be lower than with this.
func (f topicFilter) literal(i int) string {
	rest := string(f[i:])
	if at := strings.IndexAny(rest, "+#"); at >= 0 {
		rest = rest[:at]
	}
	if strings.HasSuffix(string(f), "/#") && i+len(rest) == len(f)-1 {
		return strings.TrimSuffix(rest, "/") // the parent of # matches as well
	}
	return rest
}
