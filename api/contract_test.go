package api

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The contract of every route stands in testdata/*.txt, one server for each
// file: a line "> METHOD path body" is a request, the line "< answer" below it
// what must come back, with "..." for anything. An answer that isn't JSON has
// its status in front; every other has status 200. A line "! fill" fills the
// ACL cache of the client c1, "! break" breaks the reading of the rule file,
// "! listeners done" shows what was done to listeners; for others, about MQTT
// clients, see clients.do. Each answer must also fit what the OpenAPI document
// says of its route.
func TestContract(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no contracts", err)
	}
	used := make(map[string]bool)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s, f := newServer(t)
			runContract(t, file, used, map[string]*Server{"": s}, map[string]*fakes{"": f}, nil)
		})
	}
	files, err = filepath.Glob("testdata/cluster/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no contracts of clusters", err)
	}
	for _, file := range files {
		t.Run("cluster "+filepath.Base(file), func(t *testing.T) {
			all, f := newFleet(t, nil, "a", "b")
			f[""], all.nodes[""] = f["a"], all.nodes["a"]
			runContract(t, file, used, all.nodes, f, all)
		})
	}
	s, _ := newServer(t)
	for i := range s.routes {
		for _, v := range strings.Fields(s.routes[i].Versions.String()) {
			if name := s.routes[i].Method + " /api/" + v + s.routes[i].Path; !used[name] {
				t.Errorf("no contract asks for %s", name)
			}
		}
	}
}

func runContract(t *testing.T, file string, used map[string]bool, nodes map[string]*Server, parts map[string]*fakes, all *fleet) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	documents := map[Versions]*document{V2: newDocument(t, nodes[""], V2), V3: newDocument(t, nodes[""], V3), V4: newDocument(t, nodes[""], V4)}
	got := "nothing was asked"
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for n := 1; lines.Scan(); n++ {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		node, line := "", strings.TrimLeft(kind, "b")
		if len(kind) > 1 {
			node, kind = kind[:len(kind)-len(line)], line
		}
		s, f := nodes[node], parts[node]
		switch kind {
		case ">":
			method, rest, _ := strings.Cut(rest, " ")
			path, body, _ := strings.Cut(rest, " ")
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			got = ask(s.handler(socket), r)
			if p := decodedParts(r.URL); len(p) > 1 {
				v, _ := parseVersion(p[1])
				if route, _ := s.tree.find(v, method, p[2:]); route != nil {
					used[route.Method+" /api/"+p[1]+route.Path] = true
					if err := documents[v].check(route, got); err != nil {
						t.Errorf("%s:%d: the answer isn't what the route Returns, or Fails with:\n%v\n%s", file, n, err, got)
					}
				}
			}
		case "<":
			if !matches(rest, got) {
				t.Errorf("%s:%d: got\n%s\nwant\n%s", file, n, got, rest)
			}
		case "!":
			switch rest {
			case "fill":
				f.fillCache(t)
			case "break":
				f.broken = fmt.Errorf("acl.conf:3:7: expected a rule")
			case "listeners done":
				got = strings.Join(f.listeners.done, ", ")
			case "asked":
				got = all.questions()
			case "down", "up", "deaf", "hears":
				all.do(t, node, rest)
			default:
				got = f.clients.do(t, rest)
			}
		}
	}
}

// ask returns the answer, with its status in front if it isn't JSON.
func ask(h http.Handler, r *http.Request) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code == http.StatusOK && w.Header().Get("Content-Type") == "application/json" {
		return w.Body.String()
	}
	return fmt.Sprint(w.Code, " ", w.Body)
}

func matches(want, got string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), `\.\.\.`, ".*")
	return regexp.MustCompile(`(?s)^` + pattern + `$`).MatchString(got)
}
