package api

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

// documentRoutes are the interface's description of itself.
func (s *Server) documentRoutes() []Route {
	return []Route{{
		Method: "GET", Path: "/openapi.json", Versions: V3 | V4, Name: "get_openapi", Summary: "The description of this interface as an OpenAPI 3.1 document",
		Returns: "{openapi, info: {…}, servers: [{url}], security: [{…}], tags: [{name}], paths: {…}, components: {…}}", Whole: true,
		handle: func(q *request) (any, error) { return asItIs(s.openAPI(q.version)), nil },
	}}
}

//go:embed apidocs.html
var docsPage string

// docsTemplate makes the page of the interface for people to read.
var docsTemplate = template.Must(template.New("apidocs").Parse(docsPage))

// docsGroup are the routes about one thing.
type docsGroup struct {
	Name   string
	Routes []docsRoute
}

// docsRoute is a route as the page shows it.
type docsRoute struct {
	*Route
	InPath  []string
	Example string   // a call by curl
	Codes   []string // of errors, with what they mean
}

// serveDocs answers with the page. It has no script or style but its own,
// which the policy holds it to.
func (s *Server) serveDocs(w http.ResponseWriter, r *http.Request) {
	v := V4
	if r.URL.Query().Get("version") == V3.String() {
		v = V3
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	nonce := rand.Text()
	var page bytes.Buffer
	err := docsTemplate.Execute(&page, map[string]any{
		"Version": v.String(), "Versions": []string{V4.String(), V3.String()}, "Dunlin": s.o.Version, "Nonce": nonce,
		"Groups": s.docsGroups(v, scheme+"://"+r.Host+"/api/"+v.String()),
	})
	if err != nil {
		s.log.Error("the page about the management API can't be made", "err", err)
		writeText(w, http.StatusInternalServerError, "Internal Error")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src 'nonce-"+nonce+"'; style-src 'nonce-"+nonce+"'")
	_, _ = w.Write(page.Bytes()) // a peer that is gone needs no answer
}

func (s *Server) docsGroups(v Versions, base string) []docsGroup {
	byName := make(map[string][]docsRoute)
	for i := range s.routes {
		r := &s.routes[i]
		if r.Versions&v == 0 {
			continue
		}
		one := docsRoute{Route: r, InPath: r.pathNames(), Example: r.example(base)}
		for _, code := range r.codes() {
			one.Codes = append(one.Codes, fmt.Sprintf("%d %s", code, codeMeaning(code)))
		}
		byName[r.group()] = append(byName[r.group()], one)
	}
	var groups []docsGroup
	for name, routes := range byName {
		groups = append(groups, docsGroup{name, routes})
	}
	slices.SortFunc(groups, func(a, b docsGroup) int { return strings.Compare(a.Name, b.Name) })
	return groups
}

// example is a call by curl, what has to be filled in written in capitals.
func (r *Route) example(base string) string {
	url := base + r.Path
	for _, name := range r.pathNames() {
		url = strings.Replace(url, ":"+name, strings.ToUpper(name), 1)
	}
	url = shellQuoted(url)
	if r.open {
		return "curl " + url
	}
	curl := "curl -u APP_ID:SECRET "
	if r.Method != http.MethodGet {
		curl += "-X " + r.Method + " "
	}
	var query []string
	body := object{}
	for i := range r.Params {
		p := &r.Params[i]
		if !p.Required && p.Name != "topic" { // which one of two members may name
			continue
		}
		body[p.Name] = p.example()
		query = append(query, fmt.Sprintf(" --url-query %s", shellQuoted(fmt.Sprintf("%s=%v", p.Name, p.example()))))
	}
	switch {
	case len(query) == 0:
		return curl + url
	case !r.hasBody() && r.Method == http.MethodGet && len(r.required()) == 0:
		return curl + url
	case !r.hasBody():
		return curl + url + strings.Join(query, "")
	}
	text, err := json.Marshal(body)
	if err != nil {
		return curl + url // never: the values are texts, numbers and flags
	}
	return curl + url + " -d " + shellQuoted(string(text))
}

// example is a value of the parameter.
func (p *Param) example() any {
	switch {
	case len(p.OneOf) > 0:
		return p.OneOf[0]
	case p.Type == Whole:
		return 1
	case p.Type == Flag:
		return true
	case p.Type == Time:
		return never
	}
	return strings.ToUpper(p.Name)
}

// shellQuoted is text as one word of a shell.
func shellQuoted(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
