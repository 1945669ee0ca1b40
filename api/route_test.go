package api

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/auth/builtin"
	"github.com/dunlin-mq/dunlin/auth/scram"
	"github.com/dunlin-mq/dunlin/server"
)

// What a node gives fits what is asked for.
var (
	_ Accounts  = (*builtin.Builtin)(nil)
	_ Rules     = (*builtin.Builtin)(nil)
	_ Scram     = (*scram.Accounts)(nil)
	_ Bans      = (*auth.Bans)(nil)
	_ Drainer   = (*auth.Control)(nil)
	_ Listeners = (*server.Server)(nil)
)

func TestTree(t *testing.T) {
	root := newTree([]Route{
		{Method: "GET", Path: "/a/:x", Versions: V3 | V4, Name: "any"},
		{Method: "GET", Path: "/a/b", Versions: V4, Name: "word"},
		{Method: "POST", Path: "/a/b", Versions: V3, Name: "post"},
		{Method: "GET", Path: "/a/:x/c/:y", Versions: V3 | V4, Name: "two"},
		{Method: "GET", Path: "/", Versions: V3, Name: "root"},
	})
	f := func(v Versions, method, path, want string) {
		t.Helper()
		got := "none"
		if r, values := root.find(v, method, parts(path)); r != nil {
			got = strings.Join(append([]string{r.Name}, values...), " ")
		}
		if got != want {
			t.Errorf("%v %s %s: %s, want %s", v, method, path, got, want)
		}
	}
	f(V4, "GET", "/a/b", "word")
	f(V3, "GET", "/a/b", "any b") // the word is of the other version
	f(V3, "POST", "/a/b", "post")
	f(V4, "POST", "/a/b", "none")
	f(V4, "GET", "/a/b/", "word")
	f(V4, "GET", "//a///b", "word")
	f(V4, "GET", "/a/z", "any z")
	f(V4, "GET", "/a/b/c/d", "two b d")
	f(V4, "GET", "/a/b/c", "none")
	f(V3, "GET", "", "root")
	f(V4, "GET", "", "none")
	f(V4, "GET", "/a", "none")
}

func TestRouteDeclaredTwice(t *testing.T) {
	defer func() {
		if p := recover(); p == nil || !strings.Contains(p.(string), "GET /a/:y is declared twice for v4") {
			t.Errorf("got %v", p)
		}
	}()
	newTree([]Route{{Method: "GET", Path: "/a/:x", Versions: V3 | V4}, {Method: "GET", Path: "/a/:y", Versions: V4}})
}

func TestDecodedParts(t *testing.T) {
	f := func(path string, want ...string) {
		t.Helper()
		u, err := url.ParseRequestURI(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := decodedParts(u); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	f("/")
	f("/a//b/", "a", "b")
	f("/a%2Fb/c", "a/b", "c")
	f("/a/../b/.", "a", "..", "b", ".")
	f("/%2e%2e/%252F", "..", "%2F")
	f("/a+b%20c", "a+b c")
	f("/%E5%A4%87", "备")
}

// TestRoutesAreDescribed for the list of endpoints and the documentation.
func TestRoutesAreDescribed(t *testing.T) {
	s, _ := newServer(t)
	for i := range s.routes {
		r := &s.routes[i]
		where := r.Method + " " + r.Path
		if r.Name == "" || r.Summary == "" || r.Versions == 0 || r.handle == nil || !strings.HasPrefix(r.Path, "/") {
			t.Errorf("%s lacks something: %+v", where, r)
		}
		seen := r.pathNames()
		for _, p := range r.Params {
			if p.Name == "" || p.Type == "" || slices.Contains(seen, p.Name) {
				t.Errorf("%s: the parameter %q has no type, or there are two", where, p.Name)
			}
			seen = append(seen, p.Name)
		}
	}
}

func TestPartsThatAreOff(t *testing.T) {
	s, err := New(Options{Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.routes {
		if path := s.routes[i].Path; !s.routes[i].private && path != "/" && strings.TrimPrefix(path, "/nodes/:node") != "/health" && path != "/openapi.json" && !strings.HasPrefix(path, "/brokers") && path != "/nodes" && path != "/nodes/:node" {
			t.Errorf("%s is there without what it manages", path)
		}
	}
	if got := ask(s.handler(socket), from("@", "GET", "/api/v4/auth_username", "")); got != "404 Not found." {
		t.Errorf("got %s", got)
	}
}
