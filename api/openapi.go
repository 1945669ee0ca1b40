package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// openAPI is the description of one version of the interface as a document of
// OpenAPI 3.1: https://spec.openapis.org/oas/v3.1.1.html. It is made from the
// table of routes and knows nothing beside it.
func (s *Server) openAPI(v Versions) object {
	paths, tags := object{}, []object{}
	for i := range s.routes {
		r := &s.routes[i]
		if r.Versions&v == 0 {
			continue
		}
		path := r.template()
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path].(object)[strings.ToLower(r.Method)] = r.operation()
		if tag := (object{"name": r.group()}); !slices.ContainsFunc(tags, func(t object) bool { return t["name"] == tag["name"] }) {
			tags = append(tags, tag)
		}
	}
	slices.SortFunc(tags, func(a, b object) int { return cmp.Compare(a["name"].(string), b["name"].(string)) })
	return object{
		"openapi": "3.1.1",
		"info": object{
			"title": "Dunlin management API, version " + strings.TrimPrefix(v.String(), "v"), "version": s.o.Version,
			"description": "The REST interface of EMQ X. Whatever reaches its handler is answered with status 200, errors too: they have a code other than 0, or none, and a message.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":    []object{{"url": "/api/" + v.String()}},
		"security":   []object{{"basic": []string{}}, {"cookie": []string{}}},
		"tags":       tags,
		"paths":      paths,
		"components": components(),
	}
}

// components are what all operations share.
func components() object {
	return object{
		"securitySchemes": object{
			"basic":  object{"type": "http", "scheme": "basic", "description": "the id and secret of an app; on the port of the dashboard the name and password of a user"},
			"cookie": object{"type": "apiKey", "in": "cookie", "name": cookieName, "description": "of a login by POST /auth, on the port of the dashboard"},
		},
		"responses": object{
			"bad":       textResponse("The request is not what HTTP or JSON allow."),
			"login":     textResponse("There is no login, or it is wrong."),
			"forbidden": textResponse("The login does not allow it, or the request comes from a page of another site."),
			"absent":    textResponse("There is no such route, or the part it belongs to is switched off."),
			"tooLong":   textResponse("The body is longer than 4 MB, or an array in it than 100,000."),
			"wait":      textResponse("Too many wrong logins came from this address; Retry-After says how many seconds to wait."),
			"busy":      textResponse("The node is not available for clients."),
			"broken":    textResponse("The handler failed; the log says how."),
		},
		"schemas": object{"meta": object{
			"type": "object", "description": "where the page is in the list", "additionalProperties": false,
			"required": []string{"count", "limit", "page"},
			"properties": object{
				"page": object{"type": "integer", "minimum": 1}, "limit": object{"type": "integer", "minimum": 1},
				"count":   object{"type": "integer", "minimum": -1, "description": "rows of the whole list; -1: not counted"},
				"hasnext": object{"type": "boolean", "description": "whether another page follows"},
			},
		}},
	}
}

func textResponse(description string) object {
	return object{"description": description, "content": object{"text/plain": object{"schema": object{"type": "string"}}}}
}

// template is the path as OpenAPI writes it.
func (r *Route) template() string {
	all := strings.Split(r.Path, "/")
	for i, part := range all {
		if name, is := strings.CutPrefix(part, ":"); is {
			all[i] = "{" + name + "}"
		}
	}
	return strings.Join(all, "/")
}

// group is what the route is about: the first word of its path.
func (r *Route) group() string {
	path := strings.TrimPrefix(r.Path, "/nodes/:node")
	if path == "" {
		return "nodes"
	}
	if words := parts(path); len(words) > 0 {
		return words[0]
	}
	return "about"
}

func (r *Route) operation() object {
	op := object{"operationId": r.Name, "summary": r.Summary, "tags": []string{r.group()}, "responses": r.responses()}
	parameters, about := []object{}, ""
	for _, name := range r.pathNames() {
		parameters = append(parameters, object{"name": name, "in": "path", "required": true, "schema": object{"type": "string", "minLength": 1}})
	}
	if r.hasBody() {
		op["requestBody"] = object{"required": len(r.required()) > 0 || r.Free, "content": object{"application/json": object{"schema": r.bodySchema()}}}
		about = "The members of the body may also come in the query."
		op["description"] = about
	} else {
		for i := range r.Params {
			p := &r.Params[i]
			one := object{"name": p.Name, "in": "query", "required": p.Required, "schema": p.schema()}
			if p.Doc != "" {
				one["description"] = p.Doc
			}
			parameters = append(parameters, one)
		}
	}
	if len(parameters) > 0 {
		op["parameters"] = parameters
	}
	if r.private {
		op["description"] = strings.TrimSpace("Not at the management ports, only at that of the dashboard. " + about)
	}
	if r.open {
		op["security"] = []object{}
	}
	return op
}

// hasBody reports whether the parameters are described as a body.
func (r *Route) hasBody() bool {
	return (len(r.Params) > 0 || r.Free || r.content > 0) && (r.Method == http.MethodPost || r.Method == http.MethodPut)
}

// schema is what the parameter takes.
func (p *Param) schema() schema {
	switch p.Type {
	case Any:
		return schema{}
	case Time:
		return schema{"anyOf": []schema{{"type": "integer", "description": "Unix seconds"}, {"enum": []string{never, undefined}}}}
	}
	s := schema{"type": string(p.Type)}
	if len(p.OneOf) > 0 {
		s["enum"] = p.OneOf
	}
	return s
}

func (r *Route) bodySchema() schema {
	members := schema{}
	for i := range r.Params {
		p := &r.Params[i]
		members[p.Name] = p.schema()
		if p.Doc != "" {
			members[p.Name].(schema)["description"] = p.Doc
		}
	}
	one := schema{"type": "object", "properties": members, "additionalProperties": !r.Strict}
	if required := r.required(); len(required) > 0 {
		one["required"] = required
	}
	if r.Free {
		one["minProperties"], one["additionalProperties"] = 1, schema{"type": []string{"string", "number", "boolean"}}
	}
	if r.batch == nil {
		return one
	}
	return schema{"anyOf": []schema{one, {"type": "array", "items": one}}}
}

// responses are the answers by status.
func (r *Route) responses() object {
	content := object{}
	if r.Media != "" {
		content[r.Media] = object{"schema": object{"type": "string"}}
	}
	if r.Media == "" || r.Returns != "" {
		content["application/json"] = object{"schema": r.answerSchema()}
	}
	var codes []string
	for _, code := range r.codes() {
		codes = append(codes, fmt.Sprintf("%d: %s", code, codeMeaning(code)))
	}
	ref := func(name string) object { return object{"$ref": "#/components/responses/" + name} }
	all := object{
		"200": object{"description": "What was asked for; or an error, whose code is one of\n\n- " + strings.Join(codes, "\n- "), "content": content},
		"400": ref("bad"), "403": ref("forbidden"), "404": ref("absent"), "413": ref("tooLong"), "500": ref("broken"),
	}
	if !r.open {
		all["401"], all["429"] = ref("login"), ref("wait")
	}
	if r.busy {
		all["503"] = ref("busy")
	}
	return all
}

// answerSchema is the whole answer: what was asked for, or an error.
func (r *Route) answerSchema() schema {
	failed := schema{
		"type": "object", "required": []string{"message"}, "additionalProperties": false,
		"properties": schema{"code": schema{"type": "integer", "enum": r.codes()}, "message": schema{"type": "string"}},
	}
	done := schema{"type": "object", "required": []string{"code"}, "additionalProperties": false}
	members := schema{"code": schema{"const": 0}}
	if r.spread != nil {
		missing := schema{"type": "array", "items": schema{"type": "string"}, "description": "nodes of the cluster that did not answer"}
		members["missing"], failed["properties"].(schema)["missing"] = missing, missing
	}
	switch {
	case r.Whole:
		return schema{"anyOf": []schema{answerSchema(r.Returns), failed}}
	case r.Returns != "":
		data, optional := strings.CutPrefix(r.Returns, "none")
		if !optional {
			done["required"] = []string{"code", "data"}
		}
		if data = strings.TrimPrefix(data, " |"); data != "" {
			members["data"] = answerSchema(data)
		}
	}
	if r.isPaged() {
		members["meta"] = schema{"$ref": "#/components/schemas/meta"}
		done["required"] = []string{"code", "data", "meta"}
	}
	done["properties"] = members
	return schema{"anyOf": []schema{done, failed}}
}

// codes are the codes of the errors that may come: those that follow from the
// parameters and the path, and those of the handler.
func (r *Route) codes() []int {
	all := append([]int{codeUnknown}, r.Fails...)
	for i := range r.Params {
		p := &r.Params[i]
		if p.Required {
			all = append(all, codeMissing)
		}
		if p.Type != Any {
			all = append(all, codeValue)
		}
	}
	if r.Strict {
		all = append(all, codeValue)
	}
	if r.spread != nil {
		all = append(all, codeRPC)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// codeMeaning is what a result code says.
func codeMeaning(code int) string {
	switch code {
	case codeRPC:
		return "another node can't be asked"
	case codeUnknown:
		return "anything else"
	case codeLast:
		return "the last administrator has to stay one"
	case codeMissing:
		return "a parameter is missing"
	case codeValue:
		return "a parameter has a wrong value"
	case codeOffline:
		return "the client isn't there"
	case codeTopic:
		return "no topic, or none that is valid"
	case codeQoS:
		return "a QoS that there isn't"
	}
	return "code " + strconv.Itoa(code)
}
