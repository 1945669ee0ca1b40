package api

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A Route says what it answers in a notation that reads like an example, and
// means a JSON Schema:
//
//	{node, qos: int}      an object with these members; one without a type is a string
//	{desc?: string|null}  a member that may be missing; a value of one of several types
//	{node, …}             an object with other members too
//	{*: int}              an object with any names, all values of this type
//	[{topic}]             an array of any length
//	'allow'|'deny'        these texts and no others
//
// The types are string, int, number, bool, null, any, and time, which is a local
// time such as 2026-11-23 08:00:00 and may be undefined. An answer that begins
// with "none |" may also be left out.

// schema is a JSON Schema.
type schema = object

// notation reads the text of one answer.
type notation struct{ rest string }

// parseAnswer returns the schema that an answer means.
func parseAnswer(text string) (schema, error) {
	n := &notation{text}
	s, err := n.choice()
	if err == nil && n.peek() != "" {
		err = n.expected("the end")
	}
	if err != nil {
		return nil, fmt.Errorf("answer %q: %w", text, err)
	}
	return s, nil
}

// answerSchema is parseAnswer for the table of routes, where a mistake is one
// of the program.
func answerSchema(text string) schema {
	s, err := parseAnswer(text)
	if err != nil {
		panic("api: " + err.Error())
	}
	return s
}

// rowOf is an object with the members that encoding/json makes of a struct, for
// answers that are one.
func rowOf[T any]() string {
	var all []string
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous && name == "" {
				add(f.Type)
				continue
			}
			if strings.HasPrefix(options, "omit") {
				name += "?"
			}
			all = append(all, name+": "+nameOf(f.Type))
		}
	}
	add(reflect.TypeFor[T]())
	return "{" + strings.Join(all, ", ") + "}"
}

// nameOf is the type in the notation; what it has no name for is any.
func nameOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Float64:
		return "number"
	case reflect.Int, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "int"
	case reflect.Pointer:
		return nameOf(t.Elem()) + "|null"
	}
	return "any"
}

// deepest is how far brackets may be nested.
const deepest = 20

func (n *notation) expected(what string) error {
	return fmt.Errorf("expected %s, found %.20q", what, n.rest)
}

// peek is the first character that isn't blank.
func (n *notation) peek() string {
	n.rest = strings.TrimLeft(n.rest, " \n\t")
	for _, r := range n.rest {
		return string(r)
	}
	return ""
}

// skip passes over a character if it comes next.
func (n *notation) skip(c string) bool {
	if n.peek() != c || c == "" {
		return false
	}
	n.rest = n.rest[len(c):]
	return true
}

// word passes over a word and returns it.
func (n *notation) word() string {
	n.peek()
	end := strings.IndexFunc(n.rest, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.$-", r)
	})
	if end < 0 {
		end = len(n.rest)
	}
	word := n.rest[:end]
	n.rest = n.rest[end:]
	return word
}

func (n *notation) choice() (schema, error) { return n.choiceAt(0) }

func (n *notation) choiceAt(depth int) (schema, error) {
	if depth > deepest {
		return nil, n.expected("fewer brackets")
	}
	var all []schema
	var texts []any // one enum for all constants
	for {
		if n.skip("'") {
			text, rest, ended := strings.Cut(n.rest, "'")
			if !ended {
				return nil, n.expected("a text that ends with '")
			}
			n.rest, texts = rest, append(texts, text)
		} else {
			s, err := n.valueAt(depth)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
		if !n.skip("|") {
			break
		}
	}
	if texts != nil {
		all = append(all, schema{"type": "string", "enum": texts})
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return schema{"anyOf": all}, nil
}

func (n *notation) valueAt(depth int) (schema, error) {
	switch {
	case n.skip("["):
		items, err := n.choiceAt(depth + 1)
		if err == nil && !n.skip("]") {
			err = n.expected("]")
		}
		return schema{"type": "array", "items": items}, err
	case n.skip("{"):
		return n.membersAt(depth + 1)
	}
	before := n.rest
	if s := typeOf(n.word()); s != nil {
		return s, nil
	}
	n.rest = before
	return nil, n.expected("[, {, a type or a text")
}

// typeOf is a type by its name.
func typeOf(name string) schema {
	switch name {
	case "string", "number", "null":
		return schema{"type": name}
	case "int":
		return schema{"type": "integer"}
	case "bool":
		return schema{"type": "boolean"}
	case "any":
		return schema{}
	case "time":
		return schema{"type": "string", "pattern": `^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|undefined)$`}
	}
	return nil
}

// membersAt reads an object behind its brace.
func (n *notation) membersAt(depth int) (schema, error) {
	members, required := schema{}, []string{}
	s := schema{"type": "object", "additionalProperties": false}
	for !n.skip("}") {
		if n.skip("…") {
			s["additionalProperties"] = true
		} else if err := n.memberAt(depth, s, members, &required); err != nil {
			return nil, err
		}
		if !n.skip(",") && n.peek() != "}" {
			return nil, n.expected(", or }")
		}
	}
	if len(members) > 0 {
		s["properties"] = members
	}
	if len(required) > 0 {
		slices.Sort(required)
		s["required"] = required
	}
	return s, nil
}

func (n *notation) memberAt(depth int, of, members schema, required *[]string) (err error) {
	anyName, name := n.skip("*"), ""
	if !anyName {
		if name = n.word(); name == "" {
			return n.expected("a name")
		}
	}
	optional := n.skip("?")
	value := schema{"type": "string"}
	if n.skip(":") {
		if value, err = n.choiceAt(depth); err != nil {
			return err
		}
	}
	switch _, twice := members[name]; {
	case anyName:
		of["additionalProperties"] = value
	case twice:
		return fmt.Errorf("the member %q is there twice", name)
	default:
		members[name] = value
		if !optional {
			*required = append(*required, name)
		}
	}
	return nil
}
