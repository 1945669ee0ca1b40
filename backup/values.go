package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// word is a text in one of the ways in which Erlang writes one: a string, whose
// bytes need not be UTF-8, an array of character codes, or an atom.
type word string

// UnmarshalJSON reads any of them; null is empty.
func (w *word) UnmarshalJSON(text []byte) error {
	switch text[0] {
	case '"':
		if utf8.Valid(text) {
			return json.Unmarshal(text, (*string)(w))
		}
		if bytes.IndexByte(text, '\\') >= 0 {
			return errors.New("expected text in UTF-8")
		}
		*w = word(text[1 : len(text)-1])
	case '[':
		var codes []rune
		if err := json.Unmarshal(text, &codes); err != nil {
			return errors.New("expected text, found a list")
		}
		*w = word(codes)
	case '{':
		return errors.New("expected text, found an object")
	case 'n':
		*w = ""
	default:
		*w = word(text)
	}
	return nil
}

// undefined is Erlang's word for nothing.
const undefined = "undefined"

// orNothing is w, empty if it only says that there is nothing.
func (w word) orNothing() string {
	if w == undefined || w == "null" {
		return ""
	}
	return string(w)
}

// flag is a boolean, with or without quotes.
type flag bool

// UnmarshalJSON refuses everything else.
func (f *flag) UnmarshalJSON(text []byte) error {
	switch string(bytes.Trim(text, `"`)) {
	case "true":
		*f = true
	case "false", undefined, "null":
		*f = false
	default:
		return fmt.Errorf("expected true or false, found %.20s", text)
	}
	return nil
}

// moment is a number of seconds or milliseconds; nil if there is none.
type moment struct{ n *int64 }

// forever is what EMQ X writes for the end of what doesn't end.
const forever = "infinity"

// UnmarshalJSON reads a number, or a word for none.
func (m *moment) UnmarshalJSON(text []byte) error {
	s := string(bytes.Trim(text, `"`))
	if s == undefined || s == forever || s == "null" || s == "" {
		*m = moment{}
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("expected a number of Unix time, found %.20s", text)
	}
	m.n = &n
	return nil
}

// lastSecond is the end of the year 9999: what is later, such as milliseconds
// in the place of seconds, can't be written as a time.
const lastSecond = 253402300799

func (m moment) seconds() time.Time {
	if m.n == nil {
		return time.Time{}
	}
	return time.Unix(min(max(*m.n, 0), lastSecond), 0)
}

func (m moment) millis() time.Time {
	if m.n == nil {
		return time.Time{}
	}
	return time.UnixMilli(min(max(*m.n, 0), lastSecond*1000))
}
