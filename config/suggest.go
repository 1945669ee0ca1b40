package config

import (
	"fmt"
	"strings"
)

// unknown is the complaint about a key nobody declares, with the nearest key that is known.
func (s *schema) unknown(key string) string {
	if near := s.nearest(key); near != "" {
		return fmt.Sprintf("unknown key; did you mean %s?", near)
	}
	return "unknown key"
}

// nearest returns the known key with the fewest edits from key, or "" when none is close. The `$name`s of a pattern
// with as many words are taken from the key.
func (s *schema) nearest(key string) string {
	words := Words(key)
	best, limit := "", 2+len(key)/5
	for _, candidate := range s.keys {
		if pattern := Words(candidate); len(pattern) == len(words) {
			candidate = instantiate(pattern, words)
		}
		if d := distance(key, candidate, limit); d < limit || d == limit && best == "" {
			best, limit = candidate, d
		}
	}
	if best == "" {
		for _, candidate := range s.keys {
			if strings.HasPrefix(candidate, key+".") {
				return candidate // half a key
			}
		}
	}
	return best
}

// distance counts the single-byte insertions, deletions, replacements and swaps of neighbours that turn a into b, and
// gives up with limit+1 once there are more than limit.
func distance(a, b string, limit int) int {
	if max(len(a)-len(b), len(b)-len(a)) > limit {
		return limit + 1
	}
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}

// isSecret recognises keys whose value is not to be shown.
func isSecret(key string) bool {
	words := Words(key)
	last := words[len(words)-1]
	if len(words) > 1 && (words[len(words)-2] == "headers" || words[len(words)-2] == "webhook" && last == "url") {
		return true // authorization, for example; a token in the path
	}
	for _, part := range []string{"password", "passcode", "secret", "cookie"} {
		if strings.Contains(last, part) {
			return !strings.Contains(last, "password_") // password_hash names a method
		}
	}
	return false
}
