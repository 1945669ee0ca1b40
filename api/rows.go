package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rows are the rows of a list, which are made and written one after the other:
// 10,000 clients are 8 MB of JSON, that nothing needs to hold at once.
type rows struct {
	count  int
	append func(dst []byte, i int) []byte
}

// rowsOf shows each of some as row does. R is a struct.
func rowsOf[T, R any](some []T, row func(T) R) rows {
	w := newRowWriter(reflect.TypeFor[R]())
	var r R // one for all, for reflection needs it on the heap
	v := reflect.ValueOf(&r).Elem()
	return rows{len(some), func(dst []byte, i int) []byte {
		r = row(some[i])
		return append(w.fields(append(dst, '{'), v), '}')
	}}
}

// asRows tells whether data is a list of rows, in pages or not.
func asRows(data any) (r rows, m *meta, is bool) {
	switch d := data.(type) {
	case rows:
		return d, nil, true
	case page:
		r, is = d.data.(rows)
		return r, &d.meta, is
	}
	return rows{}, nil, false
}

// MarshalJSON is json.Marshaler's, for where an answer isn't a list alone.
func (r rows) MarshalJSON() ([]byte, error) {
	dst := []byte{'['}
	for i := range r.count {
		dst = r.next(dst, i)
	}
	return append(dst, ']'), nil
}

func (r rows) next(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return r.append(dst, i)
}

// rowsAtOnce is how many bytes of a list are gathered before they are sent.
const rowsAtOnce = 64 << 10

// writeRows answers with a list; m may be nil. missing are nodes whose rows are
// not in it.
func writeRows(w http.ResponseWriter, r rows, m *meta, missing []string) error {
	w.Header().Set("Content-Type", mediaJSON)
	buf := append(make([]byte, 0, rowsAtOnce+rowsAtOnce/8), `{"code":0,"data":[`...)
	for i := range r.count {
		if buf = r.next(buf, i); len(buf) < rowsAtOnce {
			continue
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		buf = buf[:0]
	}
	buf = append(buf, ']')
	if m != nil {
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		buf = append(append(buf, `,"meta":`...), text...)
	}
	if len(missing) > 0 {
		text, err := json.Marshal(missing)
		if err != nil {
			return err
		}
		buf = append(append(buf, `,"missing":`...), text...)
	}
	_, err := w.Write(append(buf, '}'))
	return err
}

// rowWriter writes structs of one type as encoding/json does, with a third of
// the work: it knows only what rows are made of.
type rowWriter []rowField

type rowField struct {
	index     int
	key       string // ,"name":
	kind      reflect.Kind
	omitEmpty bool      // of a string
	inner     rowWriter // of an embedded struct
}

// newRowWriter panics for what it doesn't know, which is a mistake in the
// program.
func newRowWriter(t reflect.Type) rowWriter {
	var w rowWriter
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		one := rowField{index: i, key: `,"` + name + `":`, kind: f.Type.Kind(), omitEmpty: option == "omitempty"}
		switch one.kind {
		case reflect.Struct:
			one.inner = newRowWriter(f.Type)
		case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		default:
			panic(fmt.Sprintf("api: a row can't have %s, a %s", f.Name, f.Type))
		}
		if (one.kind == reflect.Struct) != f.Anonymous || f.Anonymous != (name == "") || one.omitEmpty && one.kind != reflect.String {
			panic("api: a row can't have " + f.Name + " as it is tagged")
		}
		w = append(w, one)
	}
	return w
}

// fields appends those of v to a row that has been begun.
func (w rowWriter) fields(dst []byte, v reflect.Value) []byte {
	for i := range w {
		f := &w[i]
		of := v.Field(f.index)
		if f.kind == reflect.Struct {
			dst = f.inner.fields(dst, of)
			continue
		}
		if f.omitEmpty && of.Len() == 0 {
			continue
		}
		key := f.key
		if dst[len(dst)-1] == '{' { // it is the first
			key = key[1:]
		}
		dst = append(dst, key...)
		switch f.kind {
		case reflect.String:
			dst = appendText(dst, of.String())
		case reflect.Bool:
			dst = strconv.AppendBool(dst, of.Bool())
		case reflect.Int, reflect.Int64:
			dst = strconv.AppendInt(dst, of.Int(), 10)
		default:
			dst = strconv.AppendUint(dst, of.Uint(), 10)
		}
	}
	return dst
}

// appendText appends s as a JSON string. What isn't UTF-8 becomes U+FFFD.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		var escape string
		switch {
		case r == '"' || r == '\\':
			escape = `\` + s[i:i+1]
		case r == '\n':
			escape = `\n`
		case r == '\r':
			escape = `\r`
		case r == '\t':
			escape = `\t`
		case r == '\b':
			escape = `\b`
		case r == '\f':
			escape = `\f`
		case r < ' ', r == '\u2028', r == '\u2029', r == utf8.RuneError && size == 1:
			escape = fmt.Sprintf(`\u%04x`, r)
		default:
			i += size
			continue
		}
		dst = append(append(dst, s[from:i]...), escape...)
		i += size
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}
