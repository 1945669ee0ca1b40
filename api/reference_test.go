package api

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestRoutesOfEMQX goes through a list of EMQ X's routes: each of them must be
// there in each of its versions, or have a reason why it is not, but not both.
func TestRoutesOfEMQX(t *testing.T) {
	text, err := os.ReadFile("testdata/emqx/routes")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := newServer(t)
	have := make(map[string]Versions)
	for i := range s.routes {
		r := &s.routes[i]
		have[r.Method+" "+anyName(r.Path)] |= r.Versions
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		route, reason, excused := strings.Cut(line, " -- ")
		words := strings.Fields(route)
		method, path := words[len(words)-2], words[len(words)-1]
		for _, name := range words[:len(words)-2] {
			v, ok := parseVersion(name)
			there := have[method+" "+anyName(path)]&v != 0
			switch {
			case !ok:
				t.Errorf("%s: there is no version %s", line, name)
			case !there && !excused:
				t.Errorf("%s %s is missing in %s", method, path, name)
			case there && excused:
				t.Errorf("%s %s is there in %s; the list has still a reason why it isn't: %s", method, path, name, reason)
			}
			seen++
		}
	}
	if seen < 150 {
		t.Errorf("the list has only %d routes", seen)
	}
}

var namedPart = regexp.MustCompile(`:\w+`)

// anyName is a path whose parts that stand for any text have one name.
func anyName(path string) string {
	return namedPart.ReplaceAllString(strings.TrimSuffix(path, "/"), ":")
}
