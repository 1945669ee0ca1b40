package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Route is one entry of the interface.
type Route struct {
	Method   string
	Path     string // below /api/v3, /api/v4 and so on; a part :name stands for any text
	Versions Versions
	Name     string // as in the list of endpoints
	Summary  string
	Params   []Param // of query and body; those of the path are in Path
	// Strict refuses parameters that are not in Params: without one that was
	// misspelled, the route would do more than was meant.
	Strict bool
	// Free lets a handler have parameters that are not in Params, as they came.
	Free bool
	// Returns is what is in data, in the notation of answer.go; empty: nothing.
	Returns string
	Whole   bool   // Returns is the whole answer, which has no code and data
	Media   string // the type of answers that are not JSON; empty: there are none
	Fails   []int  // codes of errors beside those that follow from Params and Path

	local   bool // is there on the socket only
	open    bool // needs no login: at the management ports, or, if private, at those of the dashboard
	private bool // is not there at the management ports
	busy    bool // is answered with status 503 while the node wants to be left alone
	own     bool // is about the caller's own login: a viewer may have it, and who has to change a password
	secret  bool // shows what viewers must not see
	// exact finds the route by no path with an empty part. A client makes /retained/
	// of /retained/. for the topic ".", which anybody can publish to, and a script
	// of a variable that is empty: that must not delete everything.
	exact bool
	// content lets the handler have the body as it came, up to so many bytes;
	// Params are then those of the query, or the handler finds them in the body.
	content int64

	// spread, if not nil, makes the answer of a cluster out of those that the
	// handlers of its nodes give; all are its members. Without it, who is asked
	// answers alone.
	spread spread
	handle func(*request) (any, error) // for this node alone
	// batch, if not nil, lets the body be an array of objects, each with Params
	// of its own.
	batch func(*request, []item) any
}

// isAt reports whether the route is there for who comes in by a door.
func (r *Route) isAt(d door) bool {
	return d == socket || !r.local && (d == dashboard || !r.private)
}

// item is one object of an array.
type item struct {
	sent   params // as it came
	params params // checked
	err    error  // why they are not, or what came of the item
}

// Versions is a set of versions of the interface.
type Versions uint8

// The versions.
const (
	V3 Versions = 1 << iota
	V4
	V2 // of EMQ X 2; only for what its scripts still ask for
)

// String is the list of versions as they stand in paths.
func (v Versions) String() string {
	var all []string
	for i, name := range versionNames {
		if v&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

var versionNames = [...]string{"v3", "v4", "v2"}

func parseVersion(name string) (Versions, bool) {
	i := slices.Index(versionNames[:], name)
	return 1 << max(i, 0), i >= 0
}

// Param is one parameter, in the query or in the body.
type Param struct {
	Name     string
	Type     Type
	Required bool
	OneOf    []string // empty: anything of the type
	Doc      string
}

// Type is what a parameter holds.
type Type string

// The types.
const (
	Text  Type = "string"
	Whole Type = "integer"
	Flag  Type = "boolean"
	Time  Type = "time" // Unix seconds, or "infinity"
	Any   Type = "any"  // whatever JSON has
)

// pathNames are the names of the parts of Path that stand for any text.
func (r *Route) pathNames() (names []string) {
	for _, part := range parts(r.Path) {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			names = append(names, name)
		}
	}
	return names
}

// named are the values of a path's parts by their names.
func (r *Route) named(values []string) map[string]string {
	all := make(map[string]string)
	for i, name := range r.pathNames() {
		all[name] = values[i]
	}
	return all
}

// isPaged reports whether the answer is a page of a list.
func (r *Route) isPaged() bool {
	return slices.ContainsFunc(r.Params, func(p Param) bool { return p.Name == "_page" })
}

// tree finds routes by the parts of a path. What is spelled out is preferred
// to what stands for any text.
type tree struct {
	words  map[string]*tree
	any    *tree
	routes []*Route // that end here
}

func newTree(routes []Route) *tree {
	root := new(tree)
	for i := range routes {
		r := &routes[i]
		t := root
		for _, part := range parts(r.Path) {
			t = t.child(part)
		}
		for _, other := range t.routes {
			if other.Method == r.Method && other.Versions&r.Versions != 0 {
				panic(fmt.Sprintf("api: %s %s is declared twice for %v", r.Method, r.Path, other.Versions&r.Versions))
			}
		}
		t.routes = append(t.routes, r)
	}
	return root
}

func (t *tree) child(part string) *tree {
	if strings.HasPrefix(part, ":") {
		if t.any == nil {
			t.any = new(tree)
		}
		return t.any
	}
	if t.words == nil {
		t.words = make(map[string]*tree)
	}
	if t.words[part] == nil {
		t.words[part] = new(tree)
	}
	return t.words[part]
}

// find returns the route and the values of its :names in their order.
func (t *tree) find(v Versions, method string, path []string) (*Route, []string) {
	if len(path) == 0 {
		for _, r := range t.routes {
			if r.Method == method && r.Versions&v != 0 {
				return r, nil
			}
		}
		return nil, nil
	}
	if next := t.words[path[0]]; next != nil {
		if r, values := next.find(v, method, path[1:]); r != nil {
			return r, values
		}
	}
	if t.any != nil {
		if r, values := t.any.find(v, method, path[1:]); r != nil {
			return r, append([]string{path[0]}, values...)
		}
	}
	return nil, nil
}

// parts are the parts of a path; empty ones don't count, so that a slash at the
// end is optional.
func parts(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
}

// decodedParts are the parts of the path of u, each percent-decoded after the
// path was divided: %2F in a part divides nothing. Parts such as .. have no
// meaning here.
func decodedParts(u *url.URL) []string {
	all := parts(u.EscapedPath())
	for i := range all {
		if part, err := url.PathUnescape(all[i]); err == nil { // always: net/http has parsed it
			all[i] = part
		}
	}
	return all
}

// hasGap reports whether a part of the path of u is empty.
func hasGap(u *url.URL) bool { return strings.Contains(u.EscapedPath()+"/", "//") }
