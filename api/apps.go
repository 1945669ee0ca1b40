package api

import (
	"errors"
	"time"

	"github.com/dunlin-mq/dunlin/api/login"
)

// appRoutes are the apps, which log in at the management ports. EMQ X shows
// their secrets to whoever asks; here nobody has them any more.
func (s *Server) appRoutes() (all []Route) {
	name, desc := Param{Name: "name", Type: Text}, Param{Name: "desc", Type: Text}
	status := Param{Name: "status", Type: Flag, Doc: "whether it may log in"}
	expired := Param{Name: "expired", Type: Time, Doc: "from when on it may not"}
	for _, v := range []Versions{V3, V4} {
		all = append(all,
			Route{Method: "GET", Path: "/apps", Name: "list_apps", Summary: "List the apps", Returns: "[{app_id, name, desc, status: bool, expired: int|'undefined'}]", handle: s.listApps},
			Route{Method: "GET", Path: "/apps/:appid", Name: "lookup_app", Summary: "Look up an app; {} if there is none",
				Returns: "{app_id?, name?, desc?, status?: bool, expired?: int|'undefined'}", handle: s.getApp},
			Route{Method: "POST", Path: "/apps", Name: "add_app", Summary: "Add an app, whose secret is never told again", Returns: "{secret}", handle: s.addApp(v),
				Params: []Param{{Name: "app_id", Type: Text, Required: true}, name, desc, status, expired, {Name: "secret", Type: Text, Doc: "a random one"}}},
			Route{Method: "PUT", Path: "/apps/:appid", Name: "update_app", Summary: "Change an app; what isn't named stays", Params: []Param{name, desc, status, expired}, handle: s.updateApp},
			Route{Method: "DELETE", Path: "/apps/:appid", Name: "del_app", Summary: "Delete an app", handle: s.deleteApp})
		for i := range all[len(all)-5:] {
			r := &all[len(all)-5+i]
			r.Versions, r.private = v, true
		}
	}
	return all
}

func appRow(app *login.App) object {
	row := object{"app_id": app.ID, "name": app.Name, "desc": app.Desc, "status": app.Enabled, "expired": undefined}
	if !app.Expires.IsZero() {
		row["expired"] = app.Expires.Unix()
	}
	return row
}

func (s *Server) listApps(*request) (any, error) {
	rows := []object{}
	all := s.apps.All()
	for i := range all {
		rows = append(rows, appRow(&all[i]))
	}
	return rows, nil
}

func (s *Server) getApp(q *request) (any, error) {
	app, ok := s.apps.Get(q.path["appid"])
	if !ok {
		return struct{}{}, nil
	}
	return appRow(&app), nil
}

func (s *Server) addApp(v Versions) func(*request) (any, error) {
	return func(q *request) (any, error) {
		app := login.App{ID: q.params.text("app_id"), Enabled: true}
		q.params.change(&app)
		secret, err := s.apps.Add(q.ctx, app, q.params.text("secret"))
		switch {
		case errors.Is(err, login.ErrAppExists) && v == V3:
			return nil, fail(codeUnknown, "already_existed")
		case errors.Is(err, login.ErrAppExists):
			return nil, failWithoutCode("already_existed")
		case errors.Is(err, login.ErrName):
			return nil, fail(codeValue, err.Error())
		case err != nil:
			return nil, err
		}
		return object{"secret": secret}, nil
	}
}

func (s *Server) updateApp(q *request) (any, error) {
	err := s.apps.Update(q.path["appid"], q.params.change)
	if errors.Is(err, login.ErrNoApp) {
		return nil, failWithoutCode("not_found")
	}
	return nil, err
}

// change puts what the parameters name into an app.
func (p params) change(app *login.App) {
	for name, into := range map[string]*string{"name": &app.Name, "desc": &app.Desc} {
		if v, named := p[name].(string); named {
			*into = v
		}
	}
	if v, named := p["status"].(bool); named {
		app.Enabled = v
	}
	if v, named := p["expired"].(time.Time); named {
		app.Expires = v
	}
}

// deleteApp says the same whether there was such an app, as EMQ X does.
func (s *Server) deleteApp(q *request) (any, error) {
	err := s.apps.Delete(q.path["appid"])
	if errors.Is(err, login.ErrNoApp) {
		err = nil
	}
	return nil, err
}
