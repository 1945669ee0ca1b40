package config

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// File is the parsed text of one configuration file.
type File struct {
	Settings []Setting // in the order of the file; of two with one key the later counts
	Includes []Setting // `include` lines: Value is the path as written
}

// maxLine bounds one line of a configuration file, in bytes: cipher lists and SQL statements are long, a binary
// file named by mistake should not be.
const maxLine = 1 << 20

// Parse reads the dialect's text; name stands in the origins. A value is everything after `=` without the blanks
// around it: there are no quotes, no escapes and no comments at the end of a line. The error joins an *Error for each
// line that is neither a setting, a comment, an include nor a `{{ placeholder }}`; the File holds all good lines.
func Parse(r io.Reader, name string) (*File, error) {
	f := &File{}
	var errs []error
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	origin := Origin{Source: name}
	for lines.Scan() {
		origin.Line++
		line := lines.Text()
		if origin.Line == 1 {
			line = strings.TrimPrefix(line, "\uFEFF") // editors on Windows begin a file so
		}
		if err := f.addLine(trim(line), origin); err != nil {
			errs = append(errs, err)
		}
	}
	if err := lines.Err(); err != nil {
		origin.Line++
		errs = append(errs, &Error{Origin: origin, Msg: fmt.Sprintf("cannot be read: %v", err)})
	}
	return f, join(errs)
}

func (f *File) addLine(line string, origin Origin) error {
	if line == "" || line[0] == '#' || isPlaceholder(line) {
		return nil
	}
	key, value, isSetting := strings.Cut(line, "=")
	key = trim(key)
	if path, ok := cutInclude(line); ok && !isKey(key) {
		f.Includes = append(f.Includes, Setting{Value: path, Origin: origin})
		return nil
	}
	if !isSetting {
		return &Error{Origin: origin, Msg: fmt.Sprintf("expected `key = value`, found %q", line)}
	}
	if !isKey(key) {
		return &Error{Origin: origin, Msg: fmt.Sprintf(
			"expected a key of words joined by dots (letters, digits and _-@/:), found %q", key)}
	}
	f.Settings = append(f.Settings, Setting{Key: key, Value: trim(value), Origin: origin})
	return nil
}

func trim(s string) string { return strings.Trim(s, " \t\r") }

// isPlaceholder recognises a line a package build was meant to replace: `{{ name }}` and nothing else.
func isPlaceholder(line string) bool {
	return strings.HasPrefix(line, "{{") && strings.Index(line, "}}") == len(line)-2
}

func cutInclude(line string) (path string, ok bool) {
	rest, ok := strings.CutPrefix(line, "include")
	path = trim(rest)
	return path, ok && path != "" && rest != path
}

// isKey reports whether text is one or more words joined by dots.
func isKey(text string) bool {
	inWord := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.' && inWord:
			inWord = false
		case c == '\\' && i+1 < len(text) && text[i+1] == '.':
			i++
			inWord = true
		case isWordByte(c):
			inWord = true
		default:
			return false
		}
	}
	return inWord
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-@/:", c) >= 0
}

// expand replaces each `$(other.key)` in the values by the value of that key, which may itself refer to others. Only
// keys that some layer sets can be referred to.
func expand(settings []Setting) ([]Setting, error) {
	e := expander{values: make(map[string]string), done: make(map[string]string)}
	for _, s := range settings {
		if s.Remove {
			delete(e.values, s.Key)
		} else {
			e.values[s.Key] = s.Value
		}
	}
	out := make([]Setting, len(settings))
	var errs []error
	for i, s := range settings {
		value, err := e.expand(s.Value, []string{s.Key})
		if err != nil {
			errs = append(errs, &Error{Key: s.Key, Origin: s.Origin, Msg: err.Error()})
		}
		out[i] = s
		out[i].Value = value
	}
	return out, join(errs)
}

type expander struct {
	values map[string]string // as written
	done   map[string]string // expanded: each key once, however many refer to it
}

// maxExpanded bounds a value after expansion, so that a chain of doubling references cannot fill the memory.
const maxExpanded = maxLine

func (e expander) expand(value string, path []string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(value, "$(")
		ref, after, closed := strings.Cut(rest, ")")
		if !found || !closed {
			out.WriteString(value)
			return out.String(), nil
		}
		ref = trim(ref)
		text, err := e.resolve(ref, path)
		if err != nil {
			return value, err
		}
		if out.WriteString(before); out.Len()+len(text) > maxExpanded {
			return value, fmt.Errorf("is longer than %d bytes once $(%s) is filled in", maxExpanded, ref)
		}
		out.WriteString(text)
		value = after
	}
}

// resolve returns the expanded value of a key; path holds the keys being expanded already.
func (e expander) resolve(ref string, path []string) (string, error) {
	if text, ok := e.done[ref]; ok {
		return text, nil
	}
	value, known := e.values[ref]
	if !known {
		return "", fmt.Errorf("refers to $(%s), which is not set", ref)
	}
	if slices.Contains(path, ref) {
		return "", fmt.Errorf("refers to itself through $(%s)", ref)
	}
	text, err := e.expand(value, append(path, ref))
	if err == nil {
		e.done[ref] = text
	}
	return text, err
}
