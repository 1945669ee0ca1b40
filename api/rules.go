package api

import (
	"errors"
	"fmt"
	"maps"

	"github.com/dunlin-mq/dunlin/auth"
)

// usualRules is how many rules a page holds that gives no _limit.
const usualRules = 50

// ruleRoutes are the built-in ACL rules, as emqx_auth_mnesia has them.
func (s *Server) ruleRoutes() []Route {
	if s.o.Rules == nil {
		return nil
	}
	const added = "{clientid?, username?, all?, topic, action, access, result}"
	routes := []Route{{
		Method: "POST", Path: "/acl", Name: "add_acl", Summary: "Add ACL rules, or replace those of the same subject, topic and action; each is answered with its result",
		Returns: added + " | [{result, …}]", Strict: true, handle: s.addRule, batch: s.addRules,
		Params: []Param{
			{Name: "clientid", Type: Text, Doc: "for this client only"},
			{Name: "username", Type: Text, Doc: "for this user only; without both for everybody"},
			{Name: "topic", Type: Text, Required: true, Doc: "a filter; whole levels %c and %u stand for the client's names"},
			{Name: "action", Type: Text, Required: true, OneOf: []string{"pub", "sub", "pubsub"}},
			{Name: "access", Type: Text, Required: true, OneOf: []string{"allow", "deny"}},
		},
	}}
	for _, kind := range []auth.SubjectKind{auth.ByClientID, auth.ByUsername} {
		routes = append(routes, s.ruleRoutesOf(kind, "/acl/"+string(kind), "/:"+string(kind), string(kind))...)
	}
	routes = append(routes, s.ruleRoutesOf(auth.ForAll, "/acl/$all", "", "all")...)
	for i := range routes {
		routes[i].Versions = V4
	}
	return routes
}

// ruleRoutesOf are those of one kind of subject; one is the part of the path
// that holds its name, if it has names.
func (s *Server) ruleRoutesOf(kind auth.SubjectKind, base, one, name string) []Route {
	list := Route{
		Method: "GET", Path: base, Name: "list_acl_" + name, Summary: "List the ACL rules by " + name,
		Returns: "[{" + name + ", topic, action: 'pub'|'sub'|'pubsub', access: 'allow'|'deny'}]",
		handle:  func(q *request) (any, error) { return s.listRules(q, kind) },
		Params: paging(
			Param{Name: "topic", Type: Text, Doc: "as it was written"},
			Param{Name: "action", Type: Text, OneOf: []string{"pub", "sub", "pubsub"}},
			Param{Name: "access", Type: Text, OneOf: []string{"allow", "deny"}}),
	}
	remove := Route{
		Method: "DELETE", Path: base + one + "/topic/:topic", Name: "delete_acl_" + name, Summary: "Delete the ACL rules for a topic by " + name,
		handle: func(q *request) (any, error) { return s.removeRule(q, kind) },
	}
	if one == "" {
		return []Route{list, remove}
	}
	list.Params = append(list.Params, Param{Name: "_like_" + name, Type: Text, Doc: "a part of the name"})
	get := Route{
		Method: "GET", Path: base + one, Name: "lookup_acl_" + name, Summary: "List the ACL rules of one " + name, Returns: list.Returns,
		handle: func(q *request) (any, error) {
			return ruleRows(s.o.Rules.RulesOf(auth.Subject{Kind: kind, Name: q.path[name]})), nil
		},
	}
	return []Route{list, get, remove}
}

func (s *Server) listRules(q *request, kind auth.SubjectKind) (any, error) {
	from, limit, m, err := q.page(usualRules)
	if err != nil {
		return nil, err
	}
	some, total := s.o.Rules.Rules(auth.RuleFilter{
		Kind: kind, Like: q.params.text("_like_" + string(kind)), Topic: q.params.text("topic"),
		Action: auth.RuleAction(q.params.text("action")), Access: q.params.text("access"),
	}, from, limit)
	m.Count = total
	return page{ruleRows(some), m}, nil
}

func (s *Server) addRule(q *request) (any, error) {
	r, err := freshRule(q.params)
	if err == nil {
		err = s.o.Rules.AddRule(r)
	}
	if err != nil {
		return nil, err
	}
	return withResult(ruleRow(&r), nil), nil
}

// withResult adds to a rule what came of it.
func withResult(row object, err error) object {
	if row == nil { // null in an array
		row = make(object)
	}
	row["result"] = "ok"
	if err != nil {
		row["result"] = err.Error()
	}
	return row
}

// addRules gives each rule of an array back with what came of it.
func (s *Server) addRules(_ *request, items []item) any {
	var fresh []auth.Rule
	for n := range items {
		if i := &items[n]; i.err == nil {
			var r auth.Rule
			if r, i.err = freshRule(i.params); i.err == nil {
				fresh = append(fresh, r)
			}
		}
	}
	added := s.o.Rules.AddRules(fresh)
	rows := make([]object, len(items))
	for n, i := range items {
		row := object(maps.Clone(i.sent))
		if i.err == nil {
			row, i.err = ruleRow(&fresh[0]), added[0]
			fresh, added = fresh[1:], added[1:]
		}
		rows[n] = withResult(row, i.err)
	}
	return rows
}

// freshRule is the rule that the parameters want.
func freshRule(p params) (auth.Rule, error) {
	r := auth.Rule{
		Subject: auth.Subject{Kind: auth.ForAll},
		Action:  auth.RuleAction(p.text("action")), Allow: p.text("access") == "allow",
	}
	var err error
	if r.Topic, err = auth.NewPattern(p.text("topic")); err != nil {
		return r, fail(codeValue, "bad topic: "+err.Error())
	}
	for _, kind := range []auth.SubjectKind{auth.ByClientID, auth.ByUsername} {
		name, named := p[string(kind)].(string)
		switch {
		case !named:
		case name == "": // of somebody's empty variable: not for everybody
			return r, fail(codeValue, fmt.Sprintf("bad %s: must not be empty", kind))
		case r.Kind != auth.ForAll:
			return r, fail(codeValue, "a rule is for a clientid or for a username, not for both")
		default:
			r.Subject = auth.Subject{Kind: kind, Name: name}
		}
	}
	return r, nil
}

func (s *Server) removeRule(q *request, kind auth.SubjectKind) (any, error) {
	err := s.o.Rules.DeleteRule(auth.Subject{Kind: kind, Name: q.path[string(kind)]}, q.path["topic"])
	if errors.Is(err, auth.ErrNotFound) {
		err = nil
	}
	return nil, err
}

func ruleRows(rules []auth.Rule) []object {
	rows := make([]object, len(rules))
	for i := range rules {
		rows[i] = ruleRow(&rules[i])
	}
	return rows
}

func ruleRow(r *auth.Rule) object {
	row := object{"topic": r.Topic.String(), "action": string(r.Action), "access": "deny"}
	if r.Allow {
		row["access"] = "allow"
	}
	switch r.Kind {
	case auth.ForAll:
		row["all"] = "$all"
	default:
		row[string(r.Kind)] = r.Name
	}
	return row
}
