package file

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Error is one mistake in a file.
type Error struct {
	File         string
	Line, Column int // from 1; columns count characters
	Msg          string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// mistake is an Error that knows only its offset in the file.
type mistake struct {
	at  int
	msg string
}

func mistakef(at int, format string, args ...any) *mistake {
	return &mistake{at, fmt.Sprintf(format, args...)}
}

// unexpected is about a term that has no meaning where it stands. The words are
// those that would have; one that is nearly there is named.
func unexpected(t term, expected string, words ...string) *mistake {
	m := mistakef(t.at, "found %s, expected %s", t, expected)
	found := t.name()
	if t.kind == word {
		found = t.text
	}
	if i := slices.IndexFunc(words, func(w string) bool { return nearly(found, w) }); i >= 0 {
		m.msg += "; did you mean " + words[i] + "?"
	}
	return m
}

// nearly reports whether a may be meant for b: but for its case it is b or the
// beginning of b, or one letter of it is wrong, missing, too many, or swapped
// with the next.
func nearly(a, b string) bool {
	if len(a) < 2 || a == b {
		return false
	}
	if a = strings.ToLower(a); strings.HasPrefix(b, a) {
		return true
	}
	same := 0 // at the beginning
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	restA, restB := a[same:], b[same:]
	for restA != "" && restB != "" && restA[len(restA)-1] == restB[len(restB)-1] {
		restA, restB = restA[:len(restA)-1], restB[:len(restB)-1]
	}
	swapped := len(restA) == 2 && len(restB) == 2 && restA[0] == restB[1] && restA[1] == restB[0]
	return len(restA) <= 1 && len(restB) <= 1 || swapped
}

// maxErrors is how many mistakes of one file are reported.
const maxErrors = 20

// mistakes gathers those of one file. It keeps maxErrors and counts the rest.
type mistakes struct {
	file, src string
	kept      []error
	more      int
}

func (ms *mistakes) add(m *mistake) {
	if len(ms.kept) == maxErrors {
		ms.more++
		return
	}
	before := ms.src[:m.at]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	ms.kept = append(ms.kept, &Error{ms.file, line, column, m.msg})
}

// err joins them all; nil if there are none.
func (ms *mistakes) err() error {
	if ms.more > 0 {
		return errors.Join(append(ms.kept, fmt.Errorf("%s: and %d more mistakes", ms.file, ms.more))...)
	}
	return errors.Join(ms.kept...)
}
