package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// PluginsConfig says which of EMQ X's plugins and modules are on. Here they are built in, and the names switch them.
type PluginsConfig struct {
	// LoadedFile and ModulesFile are the files in which EMQ X keeps what is loaded; without a path they lie in
	// node.data_dir. A file that isn't there names nothing.
	LoadedFile  string `conf:"plugins.loaded_file"`
	ModulesFile string `conf:"modules.loaded_file"`
	// Loaded and Modules take the place of the files, as EMQ X's container has it: names, separated by anything.
	Loaded  names `conf:"loaded_plugins"`
	Modules names `conf:"loaded_modules"`
}

// names is a list of plugin names; nil where nothing was said.
type names []string

// UnmarshalText is the configuration's.
func (n *names) UnmarshalText(text []byte) error {
	*n = regexp.MustCompile(`[A-Za-z0-9_]+`).FindAllString(string(text), -1)
	if *n == nil {
		*n = names{}
	}
	return nil
}

// String returns what UnmarshalText reads.
func (n names) String() string { return strings.Join(n, ",") }

// loadedPlugins are the names of the plugins that are on.
func (c *Config) loadedPlugins() (names, error) {
	if c.Plugins.Loaded != nil {
		return c.Plugins.Loaded, nil
	}
	return readLoaded("plugins.loaded_file", c.loadedFile(c.Plugins.LoadedFile, "loaded_plugins"), nil)
}

// loadedModules are the names of the modules that are on. The rule file is on until something says otherwise.
func (c *Config) loadedModules() (names, error) {
	if c.Plugins.Modules != nil {
		return c.Plugins.Modules, nil
	}
	return readLoaded("modules.loaded_file", c.loadedFile(c.Plugins.ModulesFile, "loaded_modules"), names{"emqx_mod_acl_internal"})
}

// slowModule is EMQ X's name of what finds slow subscriptions.
const slowModule = "emqx_mod_slow_subs"

// loadSlowSubs switches the slow subscriptions on if their module is loaded.
func (c *Config) loadSlowSubs() error {
	modules, err := c.loadedModules()
	if modules.has(slowModule) {
		c.Broker.Modules.Slow.On = true
	}
	return err
}

func (c *Config) loadedFile(configured, name string) string {
	if configured == "" {
		return filepath.Join(c.Node.DataDir, name)
	}
	return c.path(configured)
}

// loadedTerm is one term of such a file: `{name, true}.`, or `name.` as EMQ X's container wrote it.
var loadedTerm = regexp.MustCompile(`^\s*(?:\{\s*([a-z0-9_]+)\s*,\s*(true|false)\s*\}|([a-z0-9_]+))\s*$`)

// readLoaded reads such a file; missing says what holds without it.
func readLoaded(key, file string, missing names) (names, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return missing, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	on := names{}
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "%")
		for term := range strings.SplitSeq(line, ".") {
			if strings.TrimSpace(term) == "" {
				continue
			}
			m := loadedTerm.FindStringSubmatch(term)
			if m == nil {
				return nil, fmt.Errorf("%s: %s:%d: expected {name, true}. or {name, false}., found %.100q", key, file, i+1, strings.TrimSpace(line))
			}
			if m[2] != "false" {
				on = append(on, m[1]+m[3])
			}
		}
	}
	return on, nil
}

func (n names) has(one ...string) bool {
	return slices.ContainsFunc(one, func(name string) bool { return slices.Contains(n, name) })
}
