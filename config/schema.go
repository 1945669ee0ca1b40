package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// schema is what can be configured: a tree over the words of keys, in which a word `$name` matches any word.
type schema struct {
	root node
	keys []string // every pattern, for "did you mean"
}

type node struct {
	words map[string]*node
	any   *node // the child of a `$name` word
	leaf  *leaf // the key that ends here, if any: a node may be a key and have longer keys below
}

// leaf is one key pattern: a field of the bound struct, or an entry of a Known table.
type leaf struct {
	words []string // the main spelling, which an alias leads to as well
	typ   fieldType
	steps []int  // how to reach the field: an index per struct, instanceStep for an entry of a map
	known *Known // set instead of steps for keys without effect
}

const instanceStep = -1

// fieldType is how the text of a value is read.
type fieldType struct {
	reflect.Type
	tag reflect.StructTag
}

// compile builds the schema of a struct type. Its errors are mistakes of the program, not of a configuration.
func compile(t reflect.Type, known []Known) (*schema, error) {
	s := &schema{}
	if err := s.addStruct(t, [][]string{nil}, nil); err != nil {
		return nil, err
	}
	for i := range known {
		k := &known[i]
		if err := k.check(); err != nil {
			return nil, err
		}
		words := Words(k.Pattern)
		if err := s.add(words, &leaf{words: words, known: k}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// addStruct adds the keys of a struct below each of the prefixes, the first of which is the main one.
func (s *schema) addStruct(t reflect.Type, prefixes [][]string, steps []int) error {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("conf")
		if !tagged && !(f.Anonymous && isGroup(f.Type)) {
			continue
		}
		if !f.IsExported() {
			return fmt.Errorf("config: field %s of %s is tagged but not exported", f.Name, t)
		}
		keys := fieldKeys(prefixes, tag, f.Tag.Get("alias"))
		typ, to := f.Type, append(steps[:len(steps):len(steps)], i)
		if isInstances(typ, tag) {
			typ, to = typ.Elem(), append(to, instanceStep)
		}
		var err error
		if isGroup(typ) {
			err = s.addStruct(typ, keys, to)
		} else {
			err = s.addField(keys, fieldType{typ, f.Tag}, to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *schema) addField(keys [][]string, typ fieldType, steps []int) error {
	l := &leaf{words: keys[0], typ: typ, steps: steps}
	for _, words := range keys {
		if err := s.add(words, l); err != nil {
			return err
		}
	}
	return nil
}

// fieldKeys returns the spellings of a field's key: tag and aliases below every prefix.
func fieldKeys(prefixes [][]string, tag, aliases string) [][]string {
	var keys [][]string
	for _, spelling := range append([]string{tag}, strings.Fields(aliases)...) {
		for _, prefix := range prefixes {
			key := prefix[:len(prefix):len(prefix)]
			if spelling != "" && spelling != "." {
				key = append(key, Words(spelling)...)
			}
			keys = append(keys, key)
		}
	}
	return keys
}

// isGroup reports whether a type is a struct of further keys, not a value.
func isGroup(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !isText(t)
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func isDuration(t reflect.Type) bool { return t == reflect.TypeFor[time.Duration]() }

// isInstances reports whether a field is a map with an entry for each name seen in the key.
func isInstances(t reflect.Type, tag string) bool {
	return t.Kind() == reflect.Map && strings.Contains(tag, "$")
}

func (s *schema) add(words []string, l *leaf) error {
	n := &s.root
	for _, w := range words {
		n = n.child(w)
	}
	if n.leaf != nil {
		return fmt.Errorf("config: key %s is declared twice", Key(words...))
	}
	n.leaf = l
	s.keys = append(s.keys, Key(words...))
	return nil
}

func (n *node) child(word string) *node {
	if strings.HasPrefix(word, "$") {
		if n.any == nil {
			n.any = &node{}
		}
		return n.any
	}
	if n.words == nil {
		n.words = make(map[string]*node)
	}
	if n.words[word] == nil {
		n.words[word] = &node{}
	}
	return n.words[word]
}

// match finds the leaf of a key and the words that stand for its `$name`s. An exact word is preferred to a name.
func (n *node) match(words, names []string) (*leaf, []string) {
	if len(words) == 0 {
		return n.leaf, names
	}
	if words[0] == "" { // a key from the environment may have empty words; no name is empty
		return nil, nil
	}
	if next := n.words[words[0]]; next != nil {
		if l, found := next.match(words[1:], names); l != nil {
			return l, found
		}
	}
	if n.any == nil {
		return nil, nil
	}
	return n.any.match(words[1:], append(names[:len(names):len(names)], words[0]))
}

// key returns the main spelling of the leaf's key for the given names.
func (l *leaf) key(names []string) string {
	words := make([]string, len(l.words))
	for i, w := range l.words {
		if strings.HasPrefix(w, "$") {
			w, names = names[0], names[1:]
		}
		words[i] = w
	}
	return Key(words...)
}

// instantiate puts the words of a key in place of the names of a pattern of the same length.
func instantiate(pattern, words []string) string {
	out := make([]string, len(pattern))
	for i, w := range pattern {
		if strings.HasPrefix(w, "$") {
			w = words[i]
		}
		out[i] = w
	}
	return Key(out...)
}
