package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Setting is one key with its value, as one layer of the configuration gives it.
type Setting struct {
	Key    string // words joined by '.', a literal dot inside a word written `\.`
	Value  string
	Origin Origin
	Remove bool // an empty environment variable or override: the key counts as not set
	Lax    bool // from an EMQX_ variable: an unknown key is reported, not refused
}

// Origin says where a setting was made. The zero Origin is the default of the code.
type Origin struct {
	Source string // file, environment variable, "override", "built-in default"
	Line   int    // line of the file, from 1; 0 for anything else
}

// builtIn is the Source of what Source.Base gives.
const builtIn = "built-in default"

// IsDefault reports that nobody has set the value.
func (o Origin) IsDefault() bool { return o.Source == "" || o.Source == builtIn }

func (o Origin) String() string {
	switch {
	case o.Source == "":
		return "default"
	case o.Line > 0:
		return o.Source + ":" + strconv.Itoa(o.Line)
	}
	return o.Source
}

// Error is one problem with one key.
type Error struct {
	Key    string
	Origin Origin
	Msg    string // what was expected, and what was found
}

func (e *Error) Error() string {
	switch {
	case e.Key == "" && e.Origin == Origin{}:
		return e.Msg
	case e.Key == "":
		return fmt.Sprintf("%s: %s", e.Origin, e.Msg)
	case e.Origin == Origin{}:
		return fmt.Sprintf("%s: %s", e.Key, e.Msg)
	}
	return fmt.Sprintf("%s: %s: %s", e.Origin, e.Key, e.Msg)
}

// Invalid is an error for a Validate method. The key is relative to the struct being validated ("keyfile", or "" for
// the struct's own key); Bind completes it and adds its origin.
func Invalid(key, format string, args ...any) error {
	return &Error{Key: key, Msg: fmt.Sprintf(format, args...)}
}

// join flattens nested joined errors into one list, in the order of files and lines, without repetitions.
func join(errs []error) error {
	var flat []error
	var add func(error)
	add = func(err error) {
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				add(e)
			}
		} else if err != nil {
			flat = append(flat, err)
		}
	}
	for _, err := range errs {
		add(err)
	}
	slices.SortStableFunc(flat, func(a, b error) int {
		oa, ob := originOf(a), originOf(b)
		return cmp.Or(cmp.Compare(oa.Source, ob.Source), cmp.Compare(oa.Line, ob.Line))
	})
	seen := make(map[string]bool)
	flat = slices.DeleteFunc(flat, func(err error) bool {
		text := err.Error()
		defer func() { seen[text] = true }()
		return seen[text]
	})
	return errors.Join(flat...)
}

func originOf(err error) Origin {
	var e *Error
	if errors.As(err, &e) {
		return e.Origin
	}
	return Origin{}
}

// Words splits a key at its dots; `\.` stands for a dot inside a word.
func Words(key string) []string {
	if !strings.Contains(key, `\.`) {
		return strings.Split(key, ".")
	}
	var words []string
	var word strings.Builder
	for i := 0; i < len(key); i++ {
		switch {
		case key[i] == '\\' && i+1 < len(key) && key[i+1] == '.':
			word.WriteByte('.')
			i++
		case key[i] == '.':
			words = append(words, word.String())
			word.Reset()
		default:
			word.WriteByte(key[i])
		}
	}
	return append(words, word.String())
}

// Key is the inverse of Words.
func Key(words ...string) string {
	escaped := make([]string, len(words))
	for i, w := range words {
		escaped[i] = strings.ReplaceAll(w, ".", `\.`)
	}
	return strings.Join(escaped, ".")
}

// Names returns the names of a map of instances in their order: numbers by value, then other names by letter. So
// the rules `access.1`, `access.2` and `access.10` come out as they were meant.
func Names[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), compareNames)
}

func compareNames(a, b string) int {
	na, errA := strconv.ParseUint(a, 10, 64)
	nb, errB := strconv.ParseUint(b, 10, 64)
	switch {
	case errA == nil && errB == nil:
		return cmp.Or(cmp.Compare(na, nb), strings.Compare(a, b))
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	}
	return strings.Compare(a, b)
}
