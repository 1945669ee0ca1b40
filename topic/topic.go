// Package topic knows everything about the text of MQTT topics: which names and filters are valid, which filter matches
// which name, what the prefixes $share, $queue and $exclusive mean, and, in Index, who subscribed to what.
//
// It is not the place for limits a user can configure (levels, wildcards allowed or not), for mountpoints and
// placeholders, or for choosing a member of a shared group: the broker does these with the pieces found here.
package topic

import (
	"strings"
	"unicode/utf8"
)

// MaxLength is the longest topic in bytes: the length prefix of an MQTT string has 16 bits [MQTT-4.7.3-3].
const MaxLength = 65535

// Error says what is wrong with a topic. The values are constants, to be compared with errors.Is or ==; they do not
// quote the topic, so a caller that wants it in its message wraps them.
type Error string

// The reasons to refuse a topic name or a topic filter.
const (
	ErrEmpty       Error = "a topic needs at least one character"                                          // [MQTT-4.7.3-1]
	ErrTooLong     Error = "a topic may have 65535 bytes at most"                                          // [MQTT-4.7.3-3]
	ErrNotUTF8     Error = "a topic must be valid UTF-8"                                                   // [MQTT-1.5.4-1]
	ErrNUL         Error = "a topic must not contain the character U+0000"                                 // [MQTT-4.7.3-2]
	ErrWildcard    Error = "a topic name must not contain + or #: these belong in topic filters"           // [MQTT-4.7.0-1]
	ErrHash        Error = "# must be the whole last level of a topic filter"                              // [MQTT-4.7.1-1]
	ErrPlus        Error = "+ must be a whole level of a topic filter"                                     // [MQTT-4.7.1-2]
	ErrGroup       Error = "a shared subscription needs a group name without + and #: $share/group/filter" // [MQTT-4.8.2-1]
	ErrNoFilter    Error = "a topic filter must follow $share/group/, $queue/ or $exclusive/"              // [MQTT-4.8.2-2]
	ErrNestedShare Error = "$share/, $queue/ and $exclusive/ cannot be put one inside the other"
)

// Error returns the reason as one sentence.
func (e Error) Error() string { return "topic: " + string(e) }

// ValidName returns nil if s may be published to, and an Error otherwise (clause 4.7).
func ValidName(s string) error {
	if err := validText(s); err != nil {
		return err
	}
	if HasWildcard(s) {
		return ErrWildcard
	}
	return nil
}

// ValidFilter returns nil if s may be subscribed to as it stands, and an Error otherwise (clause 4.7). It takes
// a bare filter: what begins with $share/ is judged like any other level here, see Parse.
func ValidFilter(s string) error {
	if err := validText(s); err != nil {
		return err
	}
	return validWildcards(s)
}

// validText checks what names and filters have in common.
func validText(s string) error {
	switch {
	case s == "":
		return ErrEmpty
	case len(s) > MaxLength:
		return ErrTooLong
	case strings.IndexByte(s, 0) >= 0:
		return ErrNUL
	case !utf8.ValidString(s):
		return ErrNotUTF8
	}
	return nil
}

// validWildcards checks that each + and # of s stands alone in its level, and # in the last one.
func validWildcards(s string) error {
	for i := range len(s) {
		if s[i] != '+' && s[i] != '#' {
			continue
		}
		last := i+1 == len(s)
		alone := (i == 0 || s[i-1] == '/') && (last || s[i+1] == '/')
		if s[i] == '+' && !alone {
			return ErrPlus
		}
		if s[i] == '#' && !(alone && last) {
			return ErrHash
		}
	}
	return nil
}

// HasWildcard tells whether filter contains + or #, so that it can match more than the one name equal to it.
func HasWildcard(filter string) bool {
	return strings.IndexByte(filter, '+') >= 0 || strings.IndexByte(filter, '#') >= 0
}

// Levels returns the number of levels of a name or filter: one more than it has slashes.
func Levels(s string) int { return strings.Count(s, "/") + 1 }

// Match tells whether a valid filter matches a valid name (clause 4.7). Filters that begin with a wildcard do not
// match names that begin with $ [MQTT-4.7.2-1]. It neither allocates nor blocks. For more than a few filters use Index.
func Match(filter, name string) bool {
	if dollar(name) && filter != "" && (filter[0] == '+' || filter[0] == '#') {
		return false
	}
	return matchLevels(filter, name)
}

// matchLevels is Match for the end of a filter and of a name, both from the beginning of a level on.
func matchLevels(filter, name string) bool {
	at := 0
	for i := range len(filter) {
		switch c := filter[i]; {
		case c == '#':
			return true
		case c == '+':
			at += len(firstLevel(name[at:]))
		case at < len(name) && name[at] == c:
			at++
		default:
			return at == len(name) && filter[i:] == "/#" // a/# matches a as well
		}
	}
	return at == len(name)
}

// firstLevel is s up to its first slash.
func firstLevel(s string) string {
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return s[:i]
	}
	return s
}

// dollar tells whether a name is one of the server's own, which wildcards at the first level leave alone.
func dollar(name string) bool { return name != "" && name[0] == '$' }
