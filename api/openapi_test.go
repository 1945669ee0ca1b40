package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is an OpenAPI document whose schemas check answers.
type document struct {
	compiler *jsonschema.Compiler
	root     object
}

const documentURL = "file:///openapi.json"

// newDocument is the document of a version as it goes over the wire.
func newDocument(t *testing.T, s *Server, v Versions) *document {
	t.Helper()
	text, err := json.Marshal(s.openAPI(v))
	if err != nil {
		t.Fatal(err)
	}
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020) // that of OpenAPI 3.1
	if err := c.AddResource(documentURL, root); err != nil {
		t.Fatal(err)
	}
	return &document{c, root.(object)}
}

// schema is the one at a place of the document.
func (d *document) schema(at ...string) (*jsonschema.Schema, error) {
	pointer := ""
	for _, part := range at {
		pointer += "/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(part))
	}
	return d.compiler.Compile(documentURL + "#" + pointer)
}

// check compares an answer, in the form of ask, with what the document says.
func (d *document) check(r *Route, answer string) error {
	operation := d.root["paths"].(object)[r.template()].(object)[strings.ToLower(r.Method)].(object)
	if answer[0] != '{' {
		status, _, _ := strings.Cut(answer, " ")
		if response, ok := operation["responses"].(object)[status].(object); !ok || status == "200" && response["content"].(object)[r.Media] == nil {
			return fmt.Errorf("%s is not in the document", answer)
		}
		return nil
	}
	schema, err := d.schema("paths", r.template(), strings.ToLower(r.Method), "responses", "200", "content", "application/json", "schema")
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(answer))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// TestOpenAPI checks what the specification asks of a document beyond the form
// of schemas, which compiling them checks.
func TestOpenAPI(t *testing.T) {
	s, _ := newServer(t)
	for _, v := range []Versions{V2, V3, V4} {
		d := newDocument(t, s, v)
		names := make(map[string]string)
		for path, item := range d.root["paths"].(object) {
			for method, o := range item.(object) {
				where := fmt.Sprintf("%v %s %s", v, method, path)
				operation := o.(object)
				name := operation["operationId"].(string)
				if names[name] != "" {
					t.Errorf("%s: the name %s is also that of %s", where, name, names[name])
				}
				names[name] = where
				d.checkOperation(t, where, path, operation)
				at := []string{"paths", path, method}
				for _, media := range []string{"application/json", "text/plain"} {
					if operation["responses"].(object)["200"].(object)["content"].(object)[media] == nil {
						continue
					}
					if _, err := d.schema(append(at, "responses", "200", "content", media, "schema")...); err != nil {
						t.Errorf("%s: %v", where, err)
					}
				}
				if operation["requestBody"] != nil {
					if _, err := d.schema(append(at, "requestBody", "content", "application/json", "schema")...); err != nil {
						t.Errorf("%s: %v", where, err)
					}
				}
			}
		}
	}
}

func (d *document) checkOperation(t *testing.T, where, path string, operation object) {
	t.Helper()
	var inPath []string
	parameters, _ := operation["parameters"].([]any)
	for _, p := range parameters {
		p := p.(object)
		if p["in"] == "path" {
			inPath = append(inPath, p["name"].(string))
			if required, _ := p["required"].(bool); !required {
				t.Errorf("%s: %v isn't required, but is a part of the path", where, p["name"])
			}
		}
	}
	if n := strings.Count(path, "{"); n != len(inPath) {
		t.Errorf("%s: %d parameters are in the path, %d are described", where, n, len(inPath))
	}
	for _, name := range inPath {
		if !strings.Contains(path, "{"+name+"}") {
			t.Errorf("%s: the path has no %s", where, name)
		}
	}
	for status, response := range operation["responses"].(object) {
		if ref, is := response.(object)["$ref"].(string); is {
			name := strings.TrimPrefix(ref, "#/components/responses/")
			if d.root["components"].(object)["responses"].(object)[name] == nil {
				t.Errorf("%s: %s has no %s", where, status, ref)
			}
		}
	}
	tags := operation["tags"].([]any)
	if !slices.ContainsFunc(d.root["tags"].([]any), func(tag any) bool { return tag.(object)["name"] == tags[0] }) {
		t.Errorf("%s: the tag %v isn't declared", where, tags)
	}
}

// TestBodySchema: what the document says of a body is what is accepted.
func TestBodySchema(t *testing.T) {
	s, _ := newServer(t)
	d := newDocument(t, s, V4)
	f := func(path, body string, fits bool) {
		t.Helper()
		schema, err := d.schema("paths", path, "post", "requestBody", "content", "application/json", "schema")
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); (err == nil) != fits {
			t.Errorf("%s %s: %v, want fits = %v", path, body, err, fits)
		}
		came := make(params)
		if body[0] != '{' {
			return
		}
		if err := decode(body, &came); err != nil {
			t.Fatal(err)
		}
		r, _ := s.tree.find(V4, "POST", parts(path))
		if _, err := r.check(came); (err == nil) != fits {
			t.Errorf("%s %s: the route says %v, want fits = %v", path, body, err, fits)
		}
	}
	f("/banned", `{"who":"x","as":"clientid"}`, true)
	f("/banned", `{"who":"x","as":"clientid","until":"infinity"}`, true)
	f("/banned", `{"who":"x","as":"clientid","until":1700000000,"more":1}`, true)
	f("/banned", `{"who":"x","as":"client_id"}`, false)
	f("/banned", `{"as":"clientid"}`, false)
	f("/banned", `{"who":"x","as":"clientid","until":"soon"}`, false)
	f("/acl", `{"topic":"t","action":"pub","access":"allow"}`, true)
	f("/acl", `{"topic":"t","action":"pub","access":"allow","qos":1}`, false)
	f("/acl", `[{"topic":"t","action":"pub","access":"allow"}]`, true)
	f("/mqtt/publish", `{"topic":"t","payload":{"a":1},"retain":true,"qos":1}`, true)
	f("/mqtt/publish", `{"topic":7}`, false)
	f("/mqtt/publish", `{"retain":"maybe"}`, false)
}
