package api

import (
	"errors"
	"math"

	"github.com/dunlin-mq/dunlin/auth"
)

// accountRoutes are the built-in users, by user name and by client id: version
// 3 as EMQ X's plugins emqx_auth_username and emqx_auth_clientid have them,
// version 4 as emqx_auth_mnesia does.
func (s *Server) accountRoutes() (all []Route) {
	if s.o.Accounts == nil {
		return nil
	}
	for _, a := range []accounts{
		{s, V3, auth.ByUsername, "existed", "noexisted"},
		{s, V3, auth.ByClientID, "exitsted", "noexitsted"}, // as EMQ X spells them
		{s, V4, auth.ByUsername, "existed", "noexisted"},
		{s, V4, auth.ByClientID, "existed", "noexisted"},
	} {
		all = append(all, a.routes()...)
	}
	return all
}

// accounts are the users of one kind in one version.
type accounts struct {
	*Server
	version        Versions
	kind           auth.SubjectKind // also the name of the parameter
	exists, absent string           // what is said about names
}

func (a *accounts) routes() []Route {
	name := string(a.kind)
	all, one := "/auth_"+name, "/auth_"+name+"/:"+name
	list := Route{Method: "GET", Path: all, Name: "list_" + name, Summary: "List the built-in users by " + name,
		Returns: "[{" + name + ", created_at: int}]", handle: a.list,
		Params: paging(Param{Name: "_like_" + name, Type: Text, Doc: "a part of the name"})}
	get := Route{Method: "GET", Path: one, Name: "lookup_" + name, Summary: "Look up a built-in user by " + name + "; the answer is empty if there is none",
		Returns: "{" + name + "?}", handle: a.get}
	password := Param{Name: "password", Type: Text, Required: true, Doc: "in clear; only its hash is kept"}
	add := Route{Method: "POST", Path: all, Name: "add_" + name, Summary: "Add a built-in user by " + name + "; of an array each is answered with ok, or why not",
		Returns: "none | {*: string}", handle: a.add, batch: a.addAll,
		Params: []Param{
			{Name: name, Type: Text, Required: true, Doc: "who"}, password,
			{Name: "is_superuser", Type: Flag, Doc: "lets the user pass the ACL; EMQ X doesn't have it"},
		}}
	update := Route{Method: "PUT", Path: one, Name: "update_" + name, Summary: "Give a built-in user another password",
		handle: a.update, Params: []Param{password}}
	remove := Route{Method: "DELETE", Path: one, Name: "delete_" + name,
		Summary: "Delete a built-in user; who is connected stays connected", handle: a.remove}
	if a.version == V3 {
		list.Params, list.Returns, list.handle = nil, "[string]", a.listNames
		get.secret, get.Returns, get.handle = true, "{"+name+", password} | [any]", a.getStored // [] if there is none; the password is its hash
		add.Returns, add.batch = "", nil
	}
	routes := []Route{list, get, add, update, remove}
	for i := range routes {
		routes[i].Versions = a.version
	}
	return routes
}

// subject is the one the path names.
func (a *accounts) subject(q *request) auth.Subject {
	return auth.Subject{Kind: a.kind, Name: q.path[string(a.kind)]}
}

func (a *accounts) list(q *request) (any, error) {
	from, limit, m, err := q.page(q.longest)
	if err != nil {
		return nil, err
	}
	some, total := a.o.Accounts.Accounts(a.kind, q.params.text("_like_"+string(a.kind)), from, limit)
	m.Count = total
	rows := make([]object, len(some))
	for i, account := range some {
		rows[i] = object{string(a.kind): account.Name, "created_at": account.Created.UnixMilli()}
	}
	return page{rows, m}, nil
}

func (a *accounts) listNames(*request) (any, error) {
	all, _ := a.o.Accounts.Accounts(a.kind, "", 0, math.MaxInt)
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return names, nil
}

func (a *accounts) get(q *request) (any, error) {
	account, ok := a.o.Accounts.Account(a.subject(q))
	if !ok {
		return struct{}{}, nil
	}
	return object{string(a.kind): account.Name}, nil
}

func (a *accounts) getStored(q *request) (any, error) {
	account, ok := a.o.Accounts.Account(a.subject(q))
	if !ok {
		return []any{}, nil
	}
	return object{string(a.kind): account.Name, "password": account.Stored}, nil
}

func (a *accounts) add(q *request) (any, error) {
	return nil, a.said(a.o.Accounts.AddAccount(q.ctx, a.fresh(q.params)))
}

// addAll says for each name of an array what came of it. A name that comes
// twice is told of once, its last time.
func (a *accounts) addAll(q *request, items []item) any {
	var fresh []auth.NewAccount
	for _, i := range items {
		if i.err == nil {
			fresh = append(fresh, a.fresh(i.params))
		}
	}
	added := a.o.Accounts.AddAccounts(q.ctx, fresh)
	outcomes := make(map[string]string)
	for _, i := range items {
		err := i.err
		if err == nil {
			err, added = a.said(added[0]), added[1:]
		}
		outcome := "ok"
		if err != nil {
			outcome = err.Error()
		}
		outcomes[i.sent.text(string(a.kind))] = outcome
	}
	return outcomes
}

// fresh is the account that the parameters want.
func (a *accounts) fresh(p params) auth.NewAccount {
	return auth.NewAccount{
		Subject:   auth.Subject{Kind: a.kind, Name: p.text(string(a.kind))},
		Password:  []byte(p.text("password")),
		Superuser: p.flag("is_superuser"),
	}
}

// said puts an error in EMQ X's words.
func (a *accounts) said(err error) error {
	switch {
	case errors.Is(err, auth.ErrExists):
		return failWithoutCode(a.exists)
	case errors.Is(err, auth.ErrNotFound):
		return failWithoutCode(a.absent)
	}
	return err
}

func (a *accounts) update(q *request) (any, error) {
	return nil, a.said(a.o.Accounts.UpdateAccount(q.ctx, auth.NewAccount{
		Subject: a.subject(q), Password: []byte(q.params.text("password")),
	}))
}

// remove says the same whether there was such a user, as EMQ X does.
func (a *accounts) remove(q *request) (any, error) {
	err := a.o.Accounts.DeleteAccount(a.subject(q))
	if errors.Is(err, auth.ErrNotFound) {
		err = nil
	}
	return nil, err
}
