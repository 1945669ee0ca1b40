package config

import (
	"encoding"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parse reads the text of a value into v, which is addressable and of type t. The tag may narrow what is accepted:
// `oneof:"a b"` (strings, lists), `range:"0..2"` or `range:"1.."` (whole numbers, sizes, percents, each number of a
// priority list), `unit:"s"` and `bare:"s"` (durations).
//
// A bool takes true and false or on and off: EMQ X wants one spelling here and the other there, people mix them. A
// float may come without a point.
func (t fieldType) parse(v reflect.Value, text string) error {
	if isDuration(t.Type) {
		d, err := parseDuration(text, t.tag)
		v.SetInt(int64(d))
		return err
	}
	if p, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := p.UnmarshalText([]byte(text)); err != nil {
			return err
		}
		return t.checkRange(v, text)
	}
	switch v.Kind() {
	case reflect.Bool:
		on := text == "true" || text == "on"
		if !on && text != "false" && text != "off" {
			return Expected("true, false, on or off", text)
		}
		v.SetBool(on)
	case reflect.String:
		if err := t.checkOneOf(text); err != nil {
			return err
		}
		v.SetString(text)
	case reflect.Slice:
		return t.parseList(v, text)
	case reflect.Map:
		return t.parsePriorities(v, text)
	default:
		return t.parseNumber(v, text)
	}
	return nil
}

func (t fieldType) parseNumber(v reflect.Value, text string) error {
	switch {
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return Expected("a whole number"+t.rangeText(), text)
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return Expected("a whole number"+t.rangeText(), text)
		}
		v.SetUint(n)
	case v.CanFloat():
		n, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return Expected("a number such as 0.75", text)
		}
		v.SetFloat(n)
	default:
		return fmt.Errorf("config: a field of type %s cannot be bound", v.Type())
	}
	return t.checkRange(v, text)
}

// Expected is the error of an UnmarshalText: what a value should look like ("a size such as 64KB"), and what was found.
func Expected(what, found string) error {
	if found == "" {
		return fmt.Errorf("expected %s, found nothing", what)
	}
	const longest = 80
	if len(found) > longest {
		found = found[:longest] + "…"
	}
	return fmt.Errorf("expected %s, found %q", what, found)
}

// bounds returns the limits of the range tag, each valid if its text is not empty.
func (t fieldType) bounds() (low, high string) {
	low, high, _ = strings.Cut(t.tag.Get("range"), "..")
	return low, high
}

func (t fieldType) rangeText() string {
	switch low, high := t.bounds(); {
	case low != "" && high != "":
		return " from " + low + " to " + high
	case low != "":
		return " of at least " + low
	case high != "":
		return " of at most " + high
	}
	return ""
}

// checkRange compares numbers with the range tag. A uint64 above the largest int64 is above every limit.
func (t fieldType) checkRange(v reflect.Value, text string) error {
	var n int64
	switch {
	case v.CanInt():
		n = v.Int()
	case v.CanUint():
		n = int64(min(v.Uint(), 1<<63-1))
	default:
		return nil
	}
	low, high := t.bounds()
	if l, err := strconv.ParseInt(low, 10, 64); err == nil && n < l {
		return Expected("a value"+t.rangeText(), text)
	}
	if h, err := strconv.ParseInt(high, 10, 64); err == nil && n > h {
		return Expected("a value"+t.rangeText(), text)
	}
	return nil
}

func (t fieldType) checkOneOf(text string) error {
	words := strings.Fields(t.tag.Get("oneof"))
	if len(words) == 0 || slices.Contains(words, text) {
		return nil
	}
	return Expected("one of "+strings.Join(words, ", "), text)
}

// parseList reads `a,b, c`. Empty parts are skipped.
func (t fieldType) parseList(v reflect.Value, text string) error {
	list := reflect.MakeSlice(v.Type(), 0, 4)
	for part := range strings.SplitSeq(text, ",") {
		if part = trim(part); part == "" {
			continue
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := (fieldType{elem.Type(), t.tag}).parse(elem, part); err != nil {
			return err
		}
		list = reflect.Append(list, elem)
	}
	v.Set(list)
	return nil
}

// parsePriorities reads `topic/1=10,topic/2=8`, or `none`.
func (t fieldType) parsePriorities(v reflect.Value, text string) error {
	m := reflect.MakeMap(v.Type())
	v.Set(m)
	if text == "none" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		cut := strings.LastIndexByte(part, '=')
		if cut < 1 {
			return Expected("none, or a list such as topic/1=10,topic/2=8", text)
		}
		number := reflect.New(v.Type().Elem()).Elem()
		if err := (fieldType{number.Type(), t.tag}).parse(number, trim(part[cut+1:])); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(trim(part[:cut])), number)
	}
	return nil
}

// format writes a value as the dialect spells it: what parse reads back to the same.
func format(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return formatDuration(x)
	case fmt.Stringer:
		return x.String()
	}
	switch v.Kind() {
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = format(v.Index(i))
		}
		return strings.Join(parts, ",")
	case reflect.Map:
		m := make(map[string]string)
		for _, key := range v.MapKeys() {
			m[key.String()] = format(v.MapIndex(key))
		}
		return formatPriorities(m)
	}
	return fmt.Sprint(v.Interface())
}

func formatPriorities(m map[string]string) string {
	if len(m) == 0 {
		return "none"
	}
	var parts []string
	for _, topic := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, topic+"="+m[topic])
	}
	return strings.Join(parts, ",")
}
