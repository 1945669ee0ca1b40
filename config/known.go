package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Known is a pattern of keys that are accepted without having an effect.
type Known struct {
	Pattern string // "zone.$name.force_gc_policy"
	// Type says which values are accepted, alternatives separated by ` | `: any, int, `int 1..255`, float, flag
	// (on, off, true, false), size, duration, percent, address, rate, counts (`1000|1MB`), list, or `oneof a b c`.
	// Empty means any.
	Type   string
	Kind   Kind
	Reason string // why it has no effect, as the end of the sentence "… has no effect: "
}

// Kind says why a known key has no effect.
type Kind string

const (
	Runtime Kind = "runtime" // means something to the program it was written for only, such as the Erlang runtime
	Later   Kind = "later"   // belongs to a feature this version does not have yet
	Unused  Kind = "unused"  // belongs to an instance that is switched off, such as a listener without an address
)

// NoEffect makes a table of known keys from text: per line a pattern and, after blanks, its Type. Braces list
// alternatives: `x.{a,b}.y` is `x.a.y` and `x.b.y`.
func NoEffect(kind Kind, reason, table string) []Known {
	var out []Known
	for line := range strings.Lines(table) {
		pattern, typ, _ := strings.Cut(strings.TrimSpace(line), " ")
		if pattern == "" {
			continue
		}
		for _, p := range alternatives(pattern) {
			out = append(out, Known{Pattern: p, Type: strings.TrimSpace(typ), Kind: kind, Reason: reason})
		}
	}
	return out
}

func alternatives(pattern string) []string {
	before, rest, found := strings.Cut(pattern, "{")
	list, after, closed := strings.Cut(rest, "}")
	if !found || !closed {
		return []string{pattern}
	}
	var out []string
	for _, tail := range alternatives(after) {
		for word := range strings.SplitSeq(list, ",") {
			out = append(out, before+word+tail)
		}
	}
	return out
}

// check finds mistakes in the table itself.
func (k *Known) check() error {
	for alternative := range strings.SplitSeq(k.Type, " | ") {
		if _, ok := knownType(alternative); !ok {
			return fmt.Errorf("config: unknown type %q of the known key %s", alternative, k.Pattern)
		}
	}
	return nil
}

// accepts returns what is wrong with a value, or nil. The complaint is that of the last alternative.
func (k *Known) accepts(text string) (err error) {
	for alternative := range strings.SplitSeq(k.Type, " | ") {
		typ, _ := knownType(alternative)
		if err = typ.parse(reflect.New(typ.Type).Elem(), text); err == nil {
			return nil
		}
	}
	return err
}

// knownType translates a word of Known.Type into the field that would be declared for it.
func knownType(name string) (fieldType, bool) {
	word, args, _ := strings.Cut(strings.TrimSpace(name), " ")
	t := typeNamed(word)
	ok := t != nil
	var tag string
	switch {
	case word == "oneof":
		tag = fmt.Sprintf("oneof:%q", args)
	case args != "":
		tag = fmt.Sprintf("range:%q", args)
		ok = ok && word == "int"
	}
	return fieldType{t, reflect.StructTag(tag)}, ok
}

// word is the type in the manner of Known.Type; text for what that has no word for.
func (t fieldType) word() string {
	choice, span := t.tag.Get("oneof"), t.tag.Get("range")
	for _, name := range []string{"flag", "float", "size", "duration", "percent", "address", "rate", "counts", "list"} {
		if t.Type == typeNamed(name) {
			return strings.TrimSpace(name + " " + span + choice)
		}
	}
	number := reflect.Zero(t.Type)
	switch {
	case isText(t.Type):
		return "text"
	case number.CanInt() || number.CanUint():
		return strings.TrimSpace("int " + span)
	case choice != "":
		return "oneof " + choice
	}
	return "text"
}

func typeNamed(word string) reflect.Type {
	switch word {
	case "", "any", "oneof":
		return reflect.TypeFor[string]()
	case "int":
		return reflect.TypeFor[int64]()
	case "float":
		return reflect.TypeFor[float64]()
	case "flag":
		return reflect.TypeFor[bool]()
	case "size":
		return reflect.TypeFor[Bytes]()
	case "duration":
		return reflect.TypeFor[time.Duration]()
	case "percent":
		return reflect.TypeFor[Percent]()
	case "address":
		return reflect.TypeFor[Address]()
	case "rate":
		return reflect.TypeFor[Rate]()
	case "counts":
		return reflect.TypeFor[CountBytes]()
	case "list":
		return reflect.TypeFor[[]string]()
	}
	return nil
}
