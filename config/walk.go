package config

import (
	"reflect"
	"slices"
	"strings"
)

// visitor is what walk calls; any function may be nil. The words are the key of what is visited.
type visitor struct {
	instance func(m, name reflect.Value, words []string) // an entry of a map of instances, after what it holds
	group    func(v reflect.Value, words []string)       // a struct, after what it holds
	field    func(v reflect.Value, words []string)       // a value
}

// walk visits everything bound in the struct v, whose key is prefix, in the order of fields and names.
func walk(v reflect.Value, prefix []string, to visitor) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, tagged := f.Tag.Lookup("conf")
		switch words := fieldKeys([][]string{prefix}, tag, "")[0]; {
		case !tagged && !(f.Anonymous && isGroup(f.Type)):
		case isInstances(f.Type, tag):
			walkInstances(v.Field(i), words, to)
		default:
			walkValue(v.Field(i), words, to)
		}
	}
	if to.group != nil {
		to.group(v, prefix)
	}
}

func walkInstances(m reflect.Value, words []string, to visitor) {
	at := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "$") })
	names := m.MapKeys()
	slices.SortFunc(names, func(x, y reflect.Value) int { return compareNames(x.String(), y.String()) })
	for _, name := range names {
		key := slices.Clone(words)
		key[at] = name.String()
		walkValue(addressable(m.MapIndex(name)), key, to)
		if to.instance != nil {
			to.instance(m, name, key)
		}
	}
}

func walkValue(v reflect.Value, words []string, to visitor) {
	switch {
	case isGroup(v.Type()):
		walk(v, words, to)
	case to.field != nil:
		to.field(v, words)
	}
}

// addressable returns a copy of v whose address can be taken; entries of maps have none.
func addressable(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}
