// Package config reads Dunlin's configuration: the `key = value` dialect of EMQ X, from a file with what it
// includes, the plugin files beside it, the environment and overrides, into a tree of Go structs.
//
// It is strict: a key no struct declares, a value of the wrong type or outside its range, and whatever a struct's
// Validate refuses are all reported in one go, each with key, place and the nearest known key. It knows nothing
// about what the keys mean: every package declares its own struct, the node nests them.
//
// # How a struct declares keys
//
//	type Zone struct {
//		session.Config                                        // embedded: its keys are keys of Zone
//		MaxQoS   byte              `conf:"max_qos_allowed" range:"0..2"`
//		Idle     time.Duration     `conf:"idle_timeout"`      // rounded up to ms; `unit:"s"` to seconds
//		Deny     string            `conf:"acl_deny_action" oneof:"ignore disconnect"`
//		Access   map[string]string `conf:"access.$id"`        // one entry per name seen
//	}
//	type Config struct {
//		MQTT  Caps            `conf:"mqtt" alias:"mqtt.client"` // alias: an older spelling of the same keys
//		Zones map[string]Zone `conf:"zone.$name"`
//	}
//
// `conf:"."` stands for the parent's own key, so `listener.tcp.external = 1883` may have a value and keys below it.
// A field without the tag is not configuration. `bare:"s"` lets a duration be a plain number of that unit.
//
// # Hooks of a struct
//
// All are optional methods on the pointer. SetDefaults fills a fresh struct, inner structs first. The struct holding
// a map of instances may have Inherit(instance any), called for each new instance after its SetDefaults, when all
// keys outside of instances are bound. Off() bool on an instance drops it once everything is bound. Validate() error
// checks the bound struct; an error made by Invalid names the key below the struct.
package config

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Source says where Load looks, lowest precedence first: Base, File (with its includes, then PluginDir's files),
// Env, Overrides.
type Source struct {
	// Base is the configuration used when File is empty. When a File is named, only the default instances of
	// ReplaceGroups are taken from it.
	Base []byte
	// File is the main configuration file, PluginDir the folder whose *.conf files are read after it, in the order
	// of their names; a folder that does not exist holds no files.
	File, PluginDir string
	// Env is the environment as os.Environ gives it. See Environ.
	Env []string
	// Overrides are settings made while the program ran.
	Overrides []Setting
	// ReplaceGroups are the patterns of the keys that bring an instance of a default set to life, such as
	// "listener.$kind.$name". As soon as a layer above Base gives any such key a value other than `off`, the whole
	// set of Base (every key below "listener.") is dropped. Without that, keys of the upper layers change the
	// default instances one by one, and `off` takes one of them away.
	ReplaceGroups []string
}

// Load reads all layers of src into dst, a pointer to a struct, and reports where each value came from. The error
// joins every problem found, each an *Error where it concerns a key. dst is not usable after an error.
func Load(dst any, src Source, known []Known) (*Report, error) {
	return Read(src).Bind(dst, src.Overrides, known)
}

// Layers are the settings of a Source as they were when it was read. They can be bound again and again with other
// overrides, whatever becomes of the files and the environment.
type Layers struct {
	src         Source
	base, upper []Setting // upper: files and environment
	err         error     // what could not be read
}

// Read reads all layers of src but its overrides. What can't be read is part of the error of Bind.
func Read(src Source) *Layers {
	l := &Layers{src: src}
	var errs []error
	collect := func(s []Setting, err error) []Setting {
		if err != nil {
			errs = append(errs, err)
		}
		return s
	}
	if src.File != "" {
		l.upper = append(l.upper, collect(readFile(src.File))...)
		l.upper = append(l.upper, collect(readPlugins(src.PluginDir))...)
	}
	l.upper = append(l.upper, Environ(src.Env)...)
	l.base = collect(parseBase(src.Base))
	l.err = join(errs)
	return l
}

// Bind is Load for what was read, with overrides on top.
func (l *Layers) Bind(dst any, overrides []Setting, known []Known) (*Report, error) {
	upper := slices.Concat(l.upper, overrides)
	settings, err := expand(append(selectBase(l.base, upper, l.src), upper...))
	report, bindErr := Bind(dst, settings, known)
	return report, join([]error{l.err, err, bindErr})
}

// Files returns the main file and the plugin files src names, as they would be read: for messages and watchers.
func (src Source) Files() []string {
	if src.File == "" {
		return nil
	}
	return append([]string{src.File}, pluginFiles(src.PluginDir)...)
}

func parseBase(text []byte) ([]Setting, error) {
	f, err := Parse(bytes.NewReader(text), "built-in defaults")
	for i := range f.Settings {
		f.Settings[i].Origin = Origin{Source: builtIn}
	}
	return f.Settings, err
}

// selectBase returns what the base contributes under the given upper layers.
func selectBase(base, upper []Setting, src Source) []Setting {
	var out []Setting
	for _, s := range base {
		group, replaced := false, false
		for _, pattern := range src.ReplaceGroups {
			if prefix, _, _ := strings.Cut(pattern, "$"); strings.HasPrefix(s.Key, prefix) {
				group, replaced = true, replaced || namesInstance(upper, pattern)
			}
		}
		if (group && !replaced) || (!group && src.File == "") {
			out = append(out, s)
		}
	}
	return out
}

// namesInstance reports whether a setting gives a value to a key of the pattern.
func namesInstance(settings []Setting, pattern string) bool {
	want := Words(pattern)
	for _, s := range settings {
		if s.Remove || s.Value == "off" {
			continue
		}
		if words := Words(s.Key); len(words) == len(want) && instantiate(want, words) == s.Key {
			return true
		}
	}
	return false
}

// readFile reads the main file and what it includes. A key of an included file counts only where the main file
// does not set it; includes inside included files are not followed.
func readFile(path string) ([]Setting, error) {
	main, err := parseFile(path)
	if main == nil {
		return nil, err
	}
	errs := []error{err}
	own := make(map[string]bool)
	for _, s := range main.Settings {
		own[s.Key] = true
	}
	var out []Setting
	for _, inc := range main.Includes {
		f, err := parseFile(includePath(path, inc.Value))
		if f == nil {
			err = &Error{Key: "include " + inc.Value, Origin: inc.Origin, Msg: err.Error()}
			f = &File{}
		}
		errs = append(errs, err)
		for _, s := range f.Settings {
			if !own[s.Key] {
				out = append(out, s)
			}
		}
	}
	return append(out, main.Settings...), join(errs)
}

// parseFile returns a nil File when the file cannot be read.
func parseFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	return Parse(f, path)
}

func readPlugins(dir string) ([]Setting, error) {
	var out []Setting
	var errs []error
	for _, path := range pluginFiles(dir) {
		f, err := parseFile(path)
		errs = append(errs, err)
		if f != nil {
			out = append(out, f.Settings...)
		}
	}
	return out, join(errs)
}
