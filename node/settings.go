package node

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/config"
)

// sources are what a Config was made of, to make the next one.
type sources struct {
	root      string // where relative paths start
	layers    *config.Layers
	overrides []config.Setting // in force
	report    *config.Report
}

// bind makes a Config. Overrides that can't be bound are an error, or are left
// out and reported.
func (s *sources) bind(overrides []config.Setting, leaveOut bool) (c *Config, report *config.Report, err error) {
	known := slices.Concat(keysRuntime(), keysLater())
	fresh := func() any {
		c = &Config{root: s.root}
		return c
	}
	if leaveOut {
		report, overrides, err = s.layers.BindOverrides(fresh, overrides, known)
	} else {
		report, err = s.layers.Bind(fresh(), overrides, known)
	}
	if err != nil {
		return nil, report, err
	}
	c.sources = &sources{s.root, s.layers, overrides, report}
	c.finish(report)
	return c, report, nil
}

// overridesFile is where what was changed while the node ran is kept.
func (c *Config) overridesFile() string { return filepath.Join(c.Node.DataDir, "overrides.conf") }

// withOverrides is c with those of its file. One that is wrong is left out, and
// the report says so: the node must start, or nobody could mend it.
func (c *Config) withOverrides() (*Config, *config.Report, error) {
	all, err := config.ReadOverrides(c.overridesFile())
	var refused []error
	if err != nil {
		refused = append(refused, err)
	}
	all = slices.DeleteFunc(all, func(s config.Setting) bool {
		if s.Key != "node.data_dir" {
			return false
		}
		refused = append(refused, fmt.Errorf("%s: node.data_dir is left out: the overrides are in it", s.Origin))
		return true
	})
	if len(all) == 0 && refused == nil {
		return c, c.sources.report, nil
	}
	changed, report, err := c.sources.bind(all, true)
	if err != nil {
		return nil, report, err
	}
	report.Refused = append(refused, report.Refused...)
	for _, why := range report.Refused {
		changed.idle = append(changed.idle, why.Error())
	}
	return changed, report, nil
}

// inForce is the configuration with what has changed since the start.
func (n *Node) inForce() *Config { return n.current.Load() }

// Settings implements api.Configs.
func (n *Node) Settings() []api.Setting {
	c, docs, takers := n.inForce(), keyDocs(), n.takers()
	all := make([]api.Setting, 0, len(c.sources.report.Values))
	for _, v := range c.sources.report.Values {
		all = append(all, api.Setting{
			Key: v.Key, Value: v.Value, Default: v.Default, Type: v.Type, Secret: v.Secret, Doc: docOf(docs, v.Key),
			Origin: originOf(v.Origin, c.overridesFile()), Where: where(v.Origin), Live: isLive(takers, v.Key),
		})
	}
	return all
}

func isLive(takers []taker, key string) bool {
	return slices.ContainsFunc(takers, func(t taker) bool { return t.takes(key) })
}

// originOf is the kind of an origin.
func originOf(o config.Origin, overrides string) string {
	switch {
	case o.IsDefault():
		return "default"
	case o.Source == overrides:
		return "override"
	case o.Line > 0:
		return "file"
	}
	return "env"
}

func where(o config.Origin) string {
	if o.IsDefault() {
		return ""
	}
	return o.String()
}

// ChangeSettings implements api.Configs.
func (n *Node) ChangeSettings(by string, changes map[string]string) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	old := n.inForce()
	overrides := slices.Clone(old.sources.overrides)
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		key, err := n.changeable(old, name, changes[name])
		if err != nil {
			return err
		}
		overrides = append(without(overrides, key), config.Setting{Key: key, Value: changes[name], Origin: theOverride})
	}
	return n.override(by, old, overrides)
}

// ResetSetting implements api.Configs.
func (n *Node) ResetSetting(by, key string) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	old := n.inForce()
	overrides := without(slices.Clone(old.sources.overrides), key)
	switch {
	case len(overrides) == len(old.sources.overrides):
		return fmt.Errorf("%s has no override", key)
	case !isLive(n.takers(), key):
		return fmt.Errorf("%s can't change while the node runs: take it out of %s, and restart", key, old.overridesFile())
	}
	return n.override(by, old, overrides)
}

func without(overrides []config.Setting, key string) []config.Setting {
	return slices.DeleteFunc(overrides, func(s config.Setting) bool { return s.Key == key })
}

// theOverride is the origin of overrides that have no line yet.
var theOverride = config.Origin{Source: "override"}

// changeable returns the main spelling of a key, or says why it can't change
// while the node runs.
func (n *Node) changeable(c *Config, name, value string) (key string, err error) {
	if strings.Contains(value, "$(") { // it would show, here or in an error, what is hidden of a secret
		return "", fmt.Errorf("%s: $(another.key) can be written in a file only", name)
	}
	_, report, err := c.sources.bind([]config.Setting{{Key: name, Value: value, Origin: theOverride}}, false)
	if err != nil {
		return "", said(err) // it names the nearest key of one that there isn't
	}
	for _, v := range report.Values {
		if v.Origin == theOverride {
			key = v.Key
		}
	}
	switch {
	case !isLive(n.takers(), key):
		return "", fmt.Errorf("%s can't change while the node runs: set it in a file or the environment, and restart", cmp.Or(key, name))
	case !slices.ContainsFunc(c.sources.report.Values, func(v config.Value) bool { return v.Key == key }):
		return "", fmt.Errorf("%s: there is no listener, zone or group of that name", key)
	}
	return key, nil
}

// said is what is wrong in one line, for somebody who knows that it is about an
// override.
func said(err error) error {
	return errors.New(strings.NewReplacer(theOverride.Source+": ", "", "\n", "; ").Replace(err.Error()))
}

// override puts overrides in force and keeps them; after an error nothing has
// changed.
func (n *Node) override(by string, old *Config, overrides []config.Setting) error {
	if _, _, err := old.sources.bind(overrides, false); err != nil {
		return said(err)
	}
	overrides = slices.Clone(overrides) // the origins become lines of the file
	if err := config.WriteOverrides(old.overridesFile(), overrides); err != nil {
		return err
	}
	fresh, report, err := old.sources.bind(overrides, false)
	if err != nil {
		return err // never: it was bound before
	}
	fresh.idle = append(fresh.idle, refusals(old.sources.report)...)
	report.Refused = old.sources.report.Refused
	n.current.Store(fresh)
	changed := n.logChanges(by, old.sources.report.Values, report.Values)
	for _, t := range n.takers() {
		if slices.ContainsFunc(changed, t.takes) {
			t.take(fresh)
		}
	}
	return nil
}

func refusals(r *config.Report) (all []string) {
	for _, why := range r.Refused {
		all = append(all, why.Error())
	}
	return all
}

// logChanges tells who has changed what, secrets aside, and returns the keys
// whose values differ.
func (n *Node) logChanges(by string, before, after []config.Value) (changed []string) {
	old := make(map[string]config.Value, len(before))
	for _, v := range before {
		old[v.Key] = v
	}
	for _, v := range after {
		if was, there := old[v.Key]; !there || was.Value != v.Value {
			changed = append(changed, v.Key)
			n.log.Warn("the configuration was changed", "by", by, "key", v.Key, "value", v.Value, "was", was.Value)
		}
	}
	return changed
}

// keyDocs is what the comments of the built-in configuration say about keys, in
// their generic form.
func keyDocs() map[string]string {
	docs := make(map[string]string)
	for key, doc := range config.Comments(DefaultConfig) {
		docs[generic(key)] = cmp.Or(docs[generic(key)], doc)
	}
	return docs
}

// docOf is what is said about a key, or about the global one that it differs
// from for one zone or group.
func docOf(docs map[string]string, key string) string {
	g := generic(key)
	name := g[strings.LastIndexByte(g, '.')+1:]
	switch {
	case docs[g] != "":
		return docs[g]
	case strings.HasPrefix(g, "zone."):
		return cmp.Or(docs["mqtt."+name], docs[name])
	case strings.HasPrefix(g, "broker."):
		return docs["broker."+name]
	}
	return ""
}

// generic is a key without the names in it that users choose.
func generic(key string) string {
	words := config.Words(key)
	switch {
	case words[0] == "zone" && len(words) > 2:
		words[1] = "$name"
	case words[0] == "listener" && len(words) > 2:
		words[1], words[2] = "$kind", "$name"
	}
	return config.Key(words...)
}
