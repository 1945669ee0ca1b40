package query

import (
	"strconv"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

// FuzzCompile checks that as many parameters come out as there are placeholders,
// and that the rest of the text is left alone.
func FuzzCompile(f *testing.F) {
	for _, text := range []string{"select '%u' from '%c'", "'%u'%u''", "'''%u'''", "'%", "'%u", "%u'", "'%C''%d'", "?"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := compile("q", text, func(n int) string { return "\x00" + strconv.Itoa(n) + "\x00" })
		back := s.text
		for i, letter := range s.letters {
			mark := "\x00" + strconv.Itoa(i+1) + "\x00"
			if !strings.Contains(back, mark) {
				t.Fatalf("%q: parameter %d is not in %q", text, i+1, s.text)
			}
			back = strings.Replace(back, mark, "'%"+string(letter)+"'", 1)
		}
		if back != text && !strings.Contains(text, "\x00") {
			t.Errorf("%q became %q", text, back)
		}
	})
}

// FuzzReadRule checks that whatever stands in a row is read or refused, and
// that no rule is about nobody.
func FuzzReadRule(f *testing.F) {
	f.Add("1", "192.0.2.0/24", "bob", "c1", "3", "a/%u/+/#")
	f.Add("0", "", "$all", "", "1", "eq #")
	f.Add("1", "::1", "", "", "2", "%c")
	f.Add("true", "10.0.0.0/33", "", "", "3", "")
	f.Fuzz(func(t *testing.T, allow, network, username, clientid, access, topic string) {
		rule, err := readRule([]any{allow, network, username, clientid, access, topic})
		if err != nil {
			return
		}
		if rule.verdict == auth.Ignore || !rule.publish && !rule.subscribe {
			t.Errorf("a rule that says nothing: %+v", rule)
		}
		if !rule.all && !rule.network.IsValid() && rule.username == "" && rule.clientid == "" {
			t.Errorf("a rule about whom it doesn't say: %+v", rule)
		}
		rule.fits(&auth.Request{Client: bob, Topic: "a/b"})
	})
}
