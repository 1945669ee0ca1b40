package config

import (
	"cmp"
	"errors"
	"reflect"
	"slices"
	"strings"
)

// binder fills one struct.
type binder struct {
	*schema
	dst    reflect.Value
	set    map[string]bound // the last setting of each key, by its main spelling
	base   map[string]bound // of those, what the built-in defaults say
	report *Report
	errs   []error
}

type bound struct {
	Setting
	leaf  *leaf
	names []string
}

// Bind puts the settings, lowest precedence first, into dst, a pointer to a struct: defaults, then the keys outside
// of instances, then instances; then it drops instances that are off and validates. The error joins all problems.
func Bind(dst any, settings []Setting, known []Known) (*Report, error) {
	s, err := compile(reflect.TypeOf(dst).Elem(), known)
	if err != nil {
		return nil, err
	}
	b := &binder{schema: s, dst: reflect.ValueOf(dst).Elem(), set: make(map[string]bound), base: make(map[string]bound), report: &Report{}}
	for _, setting := range settings {
		b.add(setting)
	}
	setDefaults(b.dst)
	for _, x := range ordered(b.set) {
		b.bind(x)
	}
	b.drop()
	b.validate()
	b.finishReport()
	return b.report, join(b.errs)
}

// add records a setting in place of an earlier one for the same key.
func (b *binder) add(s Setting) {
	l, names := b.root.match(Words(s.Key), nil)
	switch {
	case l == nil && s.Lax:
		b.report.Unknown = append(b.report.Unknown, s)
	case l == nil:
		b.errs = append(b.errs, &Error{Key: s.Key, Origin: s.Origin, Msg: b.unknown(s.Key)})
	case s.Remove:
		delete(b.set, l.key(names))
	default:
		b.set[l.key(names)] = bound{s, l, names}
		if s.Origin.Source == builtIn {
			b.base[l.key(names)] = b.set[l.key(names)]
		}
	}
}

// ordered returns the settings to bind, those of instances last, because Inherit copies from the others.
func ordered(set map[string]bound) []bound {
	all := make([]bound, 0, len(set))
	for _, x := range set {
		all = append(all, x)
	}
	slices.SortFunc(all, func(x, y bound) int {
		return cmp.Or(cmp.Compare(len(x.names), len(y.names)), strings.Compare(x.Key, y.Key))
	})
	return all
}

func (b *binder) bind(x bound) {
	var err error
	if k := x.leaf.known; k != nil {
		if err = k.accepts(x.Value); err == nil {
			b.ignore(x.Setting, k.Kind, k.Reason)
		}
	} else {
		value := reflect.New(x.leaf.typ.Type).Elem()
		if err = x.leaf.typ.parse(value, x.Value); err == nil {
			assign(b.dst, reflect.Value{}, x.leaf.steps, x.names, value)
		}
	}
	if err != nil {
		b.errs = append(b.errs, &Error{Key: x.Key, Origin: x.Origin, Msg: err.Error()})
	}
}

func (b *binder) ignore(s Setting, kind Kind, reason string) {
	s.Value = show(s.Key, s.Value)
	b.report.NoEffect = append(b.report.NoEffect, Ignored{s, kind, reason})
}

// assign stores value where steps lead to from v; owner is the struct that holds v. Entries of maps cannot be
// changed in place: they are copied out, changed and put back. The zero value changes nothing but makes instances.
func assign(v, owner reflect.Value, steps []int, names []string, value reflect.Value) {
	if len(steps) == 0 {
		if value.IsValid() {
			v.Set(value)
		}
		return
	}
	if steps[0] != instanceStep {
		assign(v.Field(steps[0]), v, steps[1:], names, value)
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	name := reflect.ValueOf(names[0]).Convert(v.Type().Key())
	instance := reflect.New(v.Type().Elem())
	if old := v.MapIndex(name); old.IsValid() {
		instance.Elem().Set(old)
	} else {
		setDefaults(instance.Elem())
		if heir, ok := owner.Addr().Interface().(interface{ Inherit(instance any) }); ok {
			heir.Inherit(instance.Interface())
		}
	}
	assign(instance.Elem(), owner, steps[1:], names[1:], value)
	v.SetMapIndex(name, instance.Elem())
}

// setDefaults calls SetDefaults of a struct and the structs inside it, inner ones first.
func setDefaults(v reflect.Value) {
	if !isGroup(v.Type()) {
		return
	}
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			setDefaults(v.Field(i))
		}
	}
	if d, ok := v.Addr().Interface().(interface{ SetDefaults() }); ok {
		d.SetDefaults()
	}
}

// drop deletes the instances that are off and reports what was set for them.
func (b *binder) drop() {
	walk(b.dst, nil, visitor{instance: func(m, name reflect.Value, words []string) {
		o, ok := addressable(m.MapIndex(name)).Addr().Interface().(interface{ Off() bool })
		if !ok || !o.Off() {
			return
		}
		m.SetMapIndex(name, reflect.Value{})
		key := Key(words...)
		for _, x := range ordered(b.set) {
			if strings.HasPrefix(x.leaf.key(x.names), key+".") {
				b.ignore(x.Setting, Unused, key+" has no address or is off")
			}
		}
	}})
}

// validate calls Validate of the structs, inner ones first.
func (b *binder) validate() {
	walk(b.dst, nil, visitor{group: func(s reflect.Value, words []string) {
		if c, ok := s.Addr().Interface().(interface{ Validate() error }); ok {
			b.invalid(c.Validate(), words)
		}
	}})
}

// invalid completes the errors of a Validate method: the key from the root, and where it was set.
func (b *binder) invalid(err error, words []string) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			b.invalid(e, words)
		}
		return
	}
	if err == nil {
		return
	}
	full := &Error{Key: Key(words...), Msg: err.Error()}
	var e *Error
	if errors.As(err, &e) {
		full.Msg = e.Msg
		if e.Key != "" {
			full.Key = strings.TrimPrefix(full.Key+"."+e.Key, ".")
		}
	}
	if x, ok := b.set[full.Key]; ok {
		full.Key, full.Origin = x.Key, x.Origin
	}
	b.errs = append(b.errs, full)
}

// defaults returns the value that each key has if nobody sets it, instances being what they are.
func (b *binder) defaults() map[string]string {
	root := reflect.New(b.dst.Type()).Elem()
	setDefaults(root)
	for _, x := range ordered(b.set) {
		if x.leaf.known == nil && len(x.names) > 0 && slices.Contains(x.leaf.steps[:len(x.leaf.steps)-1], instanceStep) {
			assign(root, reflect.Value{}, x.leaf.steps, x.names, reflect.Value{})
		}
	}
	for _, x := range ordered(b.base) {
		value := reflect.New(x.leaf.typ.Type).Elem()
		if x.leaf.known == nil && x.leaf.typ.parse(value, x.Value) == nil {
			assign(root, reflect.Value{}, x.leaf.steps, x.names, value)
		}
	}
	all := make(map[string]string)
	walk(root, nil, visitor{field: func(f reflect.Value, words []string) {
		all[Key(words...)] = format(f)
	}})
	return all
}

func (b *binder) finishReport() {
	defaults := b.defaults()
	walk(b.dst, nil, visitor{field: func(f reflect.Value, words []string) {
		value := Value{Key: Key(words...)}
		value.Default, value.Secret = show(value.Key, defaults[value.Key]), isSecret(value.Key)
		if l, _ := b.root.match(words, nil); l != nil {
			value.Type = l.typ.word()
		}
		if x, ok := b.set[value.Key]; ok {
			value.Value, value.Origin = show(value.Key, x.Value), x.Origin
		} else {
			value.Value = show(value.Key, format(f))
		}
		b.report.Values = append(b.report.Values, value)
	}})
	slices.SortFunc(b.report.Values, func(x, y Value) int {
		return slices.CompareFunc(Words(x.Key), Words(y.Key), compareNames)
	})
	slices.SortStableFunc(b.report.NoEffect, func(x, y Ignored) int {
		return cmp.Or(cmp.Compare(x.Origin.Source, y.Origin.Source), cmp.Compare(x.Origin.Line, y.Origin.Line),
			cmp.Compare(x.Key, y.Key))
	})
}
