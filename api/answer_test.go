package api

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseAnswer(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		s, err := parseAnswer(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		got, err := json.Marshal(s)
		if err != nil || string(got) != want {
			t.Errorf("%s: got\n%s, %v, want\n%s", text, got, err, want)
		}
	}
	f("string", `{"type":"string"}`)
	f(" int ", `{"type":"integer"}`)
	f("any", `{}`)
	f("[bool]", `{"items":{"type":"boolean"},"type":"array"}`)
	f("{}", `{"additionalProperties":false,"type":"object"}`)
	f("{…}", `{"additionalProperties":true,"type":"object"}`)
	f("{b, a: int}", `{"additionalProperties":false,"properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a","b"],"type":"object"}`)
	f("{a?, b?: null}", `{"additionalProperties":false,"properties":{"a":{"type":"string"},"b":{"type":"null"}},"type":"object"}`)
	f("{*: number}", `{"additionalProperties":{"type":"number"},"type":"object"}`)
	f("{messages.qos-0: [string], …}", `{"additionalProperties":true,"properties":{"messages.qos-0":{"items":{"type":"string"},"type":"array"}},"required":["messages.qos-0"],"type":"object"}`)
	f("'allow' | 'deny it'", `{"enum":["allow","deny it"],"type":"string"}`)
	f("int|'infinity'", `{"anyOf":[{"type":"integer"},{"enum":["infinity"],"type":"string"}]}`)
	f("{a: {b: [{c}]}}", `{"additionalProperties":false,"properties":{"a":{"additionalProperties":false,"properties":{"b":{"items":`+
		`{"additionalProperties":false,"properties":{"c":{"type":"string"}},"required":["c"],"type":"object"},"type":"array"}},"required":["b"],"type":"object"}},"required":["a"],"type":"object"}`)
}

func TestParseAnswerErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := parseAnswer(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	f("", `expected [, {, a type or a text, found ""`)
	f("text", `a type or a text, found "text"`)
	f("[int", `expected ], found ""`)
	f("{a", "expected , or }")
	f("{a b}", `expected , or }, found "b}"`)
	f("{a,,}", `expected a name, found ",}"`)
	f("{a, a: int}", `"a" is there twice`)
	f("'open", "a text that ends with '")
	f("int int", `expected the end, found "int"`)
	f("int|", "a type or a text")
	f("as in the list", `found "as in the list"`)
	f(strings.Repeat("[", 100), "expected fewer brackets")
}

func TestRowOf(t *testing.T) {
	type inner struct {
		Count uint64 `json:"count"`
	}
	type row struct {
		Name  string         `json:"name"`
		Up    bool           `json:"up,omitempty"`
		Share float64        `json:"share"`
		More  map[string]int `json:"more"`
		inner
	}
	if got, want := rowOf[row](), "{name: string, up?: bool, share: number, more: any, count: int}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzParseAnswer: no text makes the parser panic, and what it takes is a
// schema that can be written.
func FuzzParseAnswer(f *testing.F) {
	for _, seed := range []string{"[{node, qos: int}]", "{*: {a?: 'x'|null, …}}", "none | time", "[[[[[["} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseAnswer(text)
		if err != nil {
			return
		}
		if _, err := json.Marshal(s); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
