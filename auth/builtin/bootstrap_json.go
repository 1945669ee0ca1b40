package builtin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// readJSON reads an array of entries. Lines are counted as far as the decoder
// has come.
func (c *collector) readJSON(text []byte) {
	d := json.NewDecoder(bytes.NewReader(text))
	lines := lineCounter{text: text, line: 1}
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		c.fail(1, errors.New("expected a JSON array of objects"))
		return
	}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			c.fail(lines.at(whereJSON(err, d)), textJSON(err))
			return
		}
		line := lines.at(d.InputOffset() - int64(len(raw)))
		var e entry
		strict := json.NewDecoder(bytes.NewReader(raw))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&e); err != nil {
			if c.fail(line, textJSON(err)) {
				return
			}
		} else if c.take(line, &e) {
			return
		}
	}
	if _, err := d.Token(); err != nil {
		c.fail(lines.at(int64(len(text))), textJSON(err))
		return
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		c.fail(lines.at(d.InputOffset()), errors.New("expected nothing behind the array"))
	}
}

func whereJSON(err error, d *json.Decoder) int64 {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Offset
	}
	return d.InputOffset()
}

// textJSON says what is wrong without the words of Go's types.
func textJSON(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field == "":
		return fmt.Errorf("expected an object, found %s", wrong.Value)
	case errors.As(err, &wrong):
		return fmt.Errorf("expected text for %s, found %s", wrong.Field, wrong.Value)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the array ends too early")
	}
	return err
}

// lineCounter finds the lines of offsets that only grow.
type lineCounter struct {
	text []byte
	done int64
	line int
}

func (l *lineCounter) at(offset int64) int {
	if offset = min(offset, int64(len(l.text))); offset > l.done {
		l.line += bytes.Count(l.text[l.done:offset], []byte("\n"))
		l.done = offset
	}
	return l.line
}
