package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Configs is the configuration of the node, as it is in force.
type Configs interface {
	// Settings are all keys, in their order.
	Settings() []Setting
	// ChangeSettings puts other values in force and keeps them over a restart:
	// all or none. The error is for the caller to read. by is who does it.
	ChangeSettings(by string, changes map[string]string) error
	// ResetSetting ends what ChangeSettings has made of a key.
	ResetSetting(by, key string) error
}

// Setting is one key of the configuration.
type Setting struct {
	Key, Value, Default string // the values hidden if Secret
	Origin              string // default, file, env or override
	Where               string // the line of a file or the variable; empty for a default
	Type, Doc           string
	Live                bool // it can change while the node runs
	Secret              bool
}

// configRow is a Setting as the interface shows it.
type configRow struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Default string `json:"default"`
	Origin  string `json:"origin"`
	Where   string `json:"where"`
	Live    bool   `json:"live"`
	Doc     string `json:"doc"`
	Type    string `json:"type"`
	Secret  bool   `json:"secret"`
}

// configRoutes show and change the configuration: version 4 with where each
// value comes from, version 3 as EMQ X 3 did it.
func (s *Server) configRoutes() []Route {
	if s.o.Configs == nil {
		return nil
	}
	rows := paging(Param{Name: "_like_key", Type: Text, Doc: "a part of the key"}, Param{Name: "changed", Type: Flag, Doc: "true: only what isn't the default"})
	const v3Row = "{key, value, datatpye, app}"
	list := s.eachNode(Route{Method: "GET", Path: "/configs", Versions: V3, Name: "list_configs", Summary: "List the configuration",
		Returns: "[" + v3Row + "]", handle: func(*request) (any, error) { return s.configsV3(), nil }}, "config")
	change := s.withNode(Route{Method: "PUT", Path: "/configs/:app", Versions: V3, Name: "update_config", Summary: "Change a key that can change while the node runs",
		Params: []Param{{Name: "key", Type: Text, Required: true}, {Name: "value", Type: Any, Doc: "in the form of a configuration file"}},
		Fails:  []int{codeMissing}, spread: everywhere, handle: s.changeConfigV3})
	own := s.withNode(
		Route{Method: "GET", Path: "/configs", Versions: V4, Name: "list_configs", Summary: "List the configuration, with where each value comes from",
			Params: rows, Returns: "[" + rowOf[configRow]() + "]", handle: s.listConfigs},
		Route{Method: "PUT", Path: "/configs", Versions: V4, Name: "update_configs", Free: true, Fails: []int{codeValue, codeMissing},
			Summary: "Change keys that can change while the node runs, all or none; the body is {key: value, …}. It holds over a restart", handle: s.changeConfigs},
		Route{Method: "DELETE", Path: "/configs/:key", Versions: V4, Name: "reset_config", Summary: "End the override of a key, which PUT has made",
			Fails: []int{codeValue}, handle: s.resetConfig},
	)
	return slices.Concat(list, change, own, []Route{
		{Method: "GET", Path: "/nodes/:node/plugin_configs/:plugin", Versions: V3, Name: "list_plugin_configs", Summary: "List the configuration of what EMQ X has as a plugin",
			Returns: "[{key, value, desc, required: bool}]", spread: toNode(codeRPC), handle: s.onNode(codeRPC, s.listPluginConfigs)},
		{Method: "PUT", Path: "/nodes/:node/plugin_configs/:plugin", Versions: V3, Name: "update_plugin_configs", Free: true, Fails: []int{codeMissing},
			Summary: "Change keys of what EMQ X has as a plugin, all or none; the body is {key: value, …}", spread: toNode(codeRPC), handle: s.onNode(codeRPC, s.changePluginConfigs)},
	})
}

func (s *Server) listConfigs(q *request) (any, error) {
	like, changed := q.params.text("_like_key"), q.params.flag("changed")
	all := slices.DeleteFunc(s.o.Configs.Settings(), func(c Setting) bool {
		return !strings.Contains(c.Key, like) || changed && c.Origin == "default"
	})
	return paged(q, all, func(c *Setting) configRow {
		return configRow{c.Key, c.Value, c.Default, c.Origin, c.Where, c.Live, c.Doc, c.Type, c.Secret}
	})
}

func (s *Server) changeConfigs(q *request) (any, error) {
	return nil, s.change(q, q.params, codeValue)
}

// change changes what has been sent, each value as a text, number or flag.
func (s *Server) change(q *request, sent params, code int) error {
	if len(sent) == 0 {
		return fail(codeMissing, "missing mandatory params: expected keys with their values")
	}
	changes := make(map[string]string)
	for key, raw := range sent {
		switch v := raw.(type) {
		case string, bool, json.Number:
			changes[key] = fmt.Sprint(v)
		default:
			return fail(code, fmt.Sprintf("bad %s: must be a string, a number or a boolean", key))
		}
	}
	if err := s.o.Configs.ChangeSettings(q.caller.name, changes); err != nil {
		return fail(code, err.Error())
	}
	return nil
}

func (s *Server) resetConfig(q *request) (any, error) {
	if err := s.o.Configs.ResetSetting(q.caller.name, q.path["key"]); err != nil {
		return nil, fail(codeValue, err.Error())
	}
	return nil, nil
}

func (s *Server) configsV3() []object {
	rows := []object{}
	for _, c := range s.o.Configs.Settings() {
		rows = append(rows, object{"key": c.Key, "value": c.Value, "datatpye": c.Type, "app": appOf(c.Key)}) // as EMQ X spells it
	}
	return rows
}

// appOf is the application of EMQ X that a key belongs to.
func appOf(key string) string {
	for _, p := range pluginKeys() {
		if strings.HasPrefix(key, p.prefix) {
			return p.plugin
		}
	}
	return "emqx"
}

// pluginKeys are EMQ X's plugins and where their keys begin.
func pluginKeys() []struct{ plugin, prefix string } {
	return []struct{ plugin, prefix string }{
		{"emqx_auth_http", "auth.http."}, {"emqx_auth_jwt", "auth.jwt."}, {"emqx_auth_ldap", "auth.ldap."}, {"emqx_auth_mongo", "auth.mongo."},
		{"emqx_auth_mysql", "auth.mysql."}, {"emqx_auth_pgsql", "auth.pgsql."}, {"emqx_auth_redis", "auth.redis."},
		{"emqx_dashboard", "dashboard."}, {"emqx_management", "management."}, {"emqx_psk_file", "psk.file."}, {"emqx_retainer", "retainer."},
	}
}

// changeConfigV3 is EMQ X 3's: any failure has the code 102, and who says the
// application of a key wrongly gets it changed nevertheless.
func (s *Server) changeConfigV3(q *request) (any, error) {
	value := q.params["value"]
	return nil, s.change(q, params{q.params.text("key"): value}, codeUnknown)
}

// pluginPrefix is where the keys of a plugin begin.
func pluginPrefix(plugin string) (string, error) {
	for _, p := range pluginKeys() {
		if p.plugin == plugin {
			return p.prefix, nil
		}
	}
	return "", failWithoutCode("not_found")
}

func (s *Server) listPluginConfigs(q *request) (any, error) {
	prefix, err := pluginPrefix(q.path["plugin"])
	if err != nil {
		return nil, err
	}
	rows := []object{}
	for _, c := range s.o.Configs.Settings() {
		if strings.HasPrefix(c.Key, prefix) {
			rows = append(rows, object{"key": c.Key, "value": c.Value, "desc": cmp.Or(c.Doc, c.Type), "required": false})
		}
	}
	return rows, nil
}

// changePluginConfigs changes what differs: clients send all keys of a plugin,
// as EMQ X writes its file anew.
func (s *Server) changePluginConfigs(q *request) (any, error) {
	prefix, err := pluginPrefix(q.path["plugin"])
	if err != nil {
		return nil, err
	}
	now := make(map[string]string)
	for _, c := range s.o.Configs.Settings() {
		now[c.Key] = c.Value
	}
	changes := make(params)
	for key, value := range q.params {
		if !strings.HasPrefix(key, prefix) {
			return nil, fail(codeUnknown, fmt.Sprintf("%s is no key of %s", key, q.path["plugin"]))
		}
		if old, is := now[key]; !is || old != fmt.Sprint(value) {
			changes[key] = value
		}
	}
	if len(changes) == 0 && len(q.params) > 0 {
		return nil, nil
	}
	return nil, s.change(q, changes, codeUnknown)
}
