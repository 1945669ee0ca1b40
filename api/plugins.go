package api

import (
	"fmt"
	"slices"
)

// part is something that EMQ X has as a plugin or a module, and that is built
// in here.
type part struct {
	name, description string
	kind              string // of a plugin
	key               string // what switches it; empty: it is always on
}

// plugins are the parts that EMQ X has as plugins.
func plugins() []part {
	return []part{
		{"emqx_auth_clientid", "Users by client id (EMQ X 3)", "auth", ""},
		{"emqx_auth_http", "Authentication and ACL by HTTP", "auth", "auth.http.enable"},
		{"emqx_auth_jwt", "Authentication by JSON Web Tokens", "auth", "auth.jwt.enable"},
		{"emqx_auth_ldap", "Authentication and ACL by LDAP", "auth", "auth.ldap.enable"},
		{"emqx_auth_mnesia", "Users and rules that the node keeps itself", "auth", ""},
		{"emqx_auth_mongo", "Authentication and ACL by MongoDB", "auth", "auth.mongo.enable"},
		{"emqx_auth_mysql", "Authentication and ACL by MySQL", "auth", "auth.mysql.enable"},
		{"emqx_auth_pgsql", "Authentication and ACL by PostgreSQL", "auth", "auth.pgsql.enable"},
		{"emqx_auth_redis", "Authentication and ACL by Redis", "auth", "auth.redis.enable"},
		{"emqx_auth_username", "Users by user name (EMQ X 3)", "auth", ""},
		{"emqx_dashboard", "The dashboard", "feature", "dashboard.listener.http"},
		{"emqx_management", "This interface", "feature", ""},
		{"emqx_psk_file", "Pre-shared keys for TLS, from a file", "feature", "psk.file.enable"},
		{"emqx_retainer", "Retained messages", "feature", ""},
		{"emqx_sasl", "Enhanced authentication by SCRAM", "feature", ""},
	}
}

// modules are the parts that EMQ X has as modules.
func modules() []part {
	return []part{
		{ruleFile, "ACL by the rule file", "", "loaded_modules"},
		{"emqx_mod_delayed", "Delayed messages by $delayed", "", ""},
		{"emqx_mod_presence", "Messages on $SYS about who comes and goes", "", "module.presence"},
		{"emqx_mod_rewrite", "Rewriting of topics", "", "module.rewrite"},
		{"emqx_mod_slow_subs", "Clients that take long over messages", "", "module.slow_subs"},
		{"emqx_mod_subscription", "Subscriptions that every client gets", "", "module.subscription"},
		{"emqx_mod_topic_metrics", "Counts of single topics", "", ""},
	}
}

// pluginRoutes list what there is and what of it is on. What is built in is
// switched by the configuration: to load and to unload end with the reason.
func (s *Server) pluginRoutes() []Route {
	if s.o.On == nil {
		return nil
	}
	all := append(s.eachNode(Route{
		Method: "GET", Path: "/plugins", Versions: V3 | V4, Name: "list_plugins", Summary: "List what EMQ X has as plugins",
		Returns: "[{name, version, description, active: bool, type}]", handle: func(*request) (any, error) { return s.partRows(plugins()), nil },
	}, "plugins"), s.eachNode(Route{
		Method: "GET", Path: "/modules", Versions: V4, Name: "list_modules", Summary: "List what EMQ X has as modules",
		Returns: "[{name, description, active: bool}]", handle: func(*request) (any, error) { return s.partRows(modules()), nil },
	}, "modules")...)
	for _, verb := range []string{"load", "unload", "reload"} {
		plugin := Route{Method: "PUT", Path: "/plugins/:plugin/" + verb, Versions: V3 | V4, Name: verb + "_plugin",
			Summary: "Answers why a plugin can't be " + verb + "ed at run time", spread: everywhere, handle: s.switching("plugin", verb)}
		both := s.withNode(plugin)
		if verb == "load" { // EMQ X loads plugins on one node only
			both = both[1:]
		}
		all = append(all, both...)
		if verb != "reload" { // for that see moduleRoutes
			all = append(all, s.withNode(Route{Method: "PUT", Path: "/modules/:module/" + verb, Versions: V4, Name: verb + "_module",
				Summary: "Answers why a module can't be " + verb + "ed at run time", spread: everywhere, handle: s.switching("module", verb)})...)
		}
	}
	return all
}

func (s *Server) active(p part) bool { return p.key == "" || s.o.On(p.name) }

func (s *Server) partRows(parts []part) []object {
	rows := make([]object, len(parts))
	for i, p := range parts {
		rows[i] = object{"name": p.name, "description": p.description, "active": s.active(p)}
		if p.kind != "" {
			rows[i]["type"], rows[i]["version"] = p.kind, s.o.Version
		}
	}
	return rows
}

// switching is a handler that says why the part in the path is not switched,
// where EMQ X knows a reason in its words.
func (s *Server) switching(kind, verb string) func(*request) (any, error) {
	return func(q *request) (any, error) {
		parts := plugins()
		if kind == "module" {
			parts = modules()
		}
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == q.path[kind] })
		if i < 0 {
			return nil, failWithoutCode("not_found")
		}
		p := parts[i]
		switch on := s.active(p); {
		case verb == "load" && on:
			return nil, failWithoutCode("already_started")
		case verb != "load" && !on:
			return nil, failWithoutCode("not_started")
		case p.key == "":
			return nil, failWithoutCode(p.name + " is built in and always on")
		case verb == "reload":
			return nil, failWithoutCode(p.name + " is built in and does not need to be reloaded")
		}
		return nil, failWithoutCode(fmt.Sprintf("%s is built in and can't be %sed while the node runs: change %s in the configuration and restart",
			p.name, verb, p.key))
	}
}
