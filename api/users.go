package api

import (
	"errors"

	"github.com/dunlin-mq/dunlin/api/login"
)

// userRoutes are the users of the dashboard as EMQ X's emqx_dashboard has them.
// Its tags are free text; here they are the role.
func (s *Server) userRoutes() []Route {
	tags := Param{Name: "tags", Type: Text, OneOf: login.Roles(), Doc: "the role"}
	password := Param{Name: "password", Type: Text, Doc: "at least 8 characters; only its hash is kept"}
	change := Param{Name: "change_password", Type: Flag, Doc: "whether the user has to change it before anything else; EMQ X doesn't have it"}
	routes := []Route{
		{Method: "GET", Path: "/users", Name: "list_users", Summary: "List the users of the dashboard", Returns: "[{username, tags: 'administrator'|'viewer'}]", handle: s.listUsers},
		{Method: "POST", Path: "/users", Name: "create_user", Summary: "Add a user of the dashboard; without tags an administrator",
			Params: []Param{{Name: "username", Type: Text}, password, tags, change}, handle: s.addUser},
		{Method: "PUT", Path: "/users/:name", Name: "update_user", Params: []Param{tags, password, change}, Fails: []int{codeMissing, codeLast}, handle: s.updateUser,
			Summary: "Give a user of the dashboard another role, or a password if it is lost; the user's sessions end"},
		{Method: "DELETE", Path: "/users/:name", Name: "delete_user", Summary: "Delete a user of the dashboard, whose sessions end", handle: s.deleteUser},
	}
	for i := range routes {
		routes[i].Versions, routes[i].private = V3|V4, true
	}
	return routes
}

func (s *Server) listUsers(*request) (any, error) {
	rows := []object{}
	for _, u := range s.users.All() {
		rows = append(rows, object{"username": u.Name, "tags": u.Role})
	}
	return rows, nil
}

// saidOfUser puts an error in EMQ X's words where it has some.
func saidOfUser(err error) error {
	switch {
	case errors.Is(err, login.ErrUserExists):
		return failWithoutCode("Username Already Exist")
	case errors.Is(err, login.ErrNoUser):
		return failWithoutCode("Username Not Found")
	case errors.Is(err, login.ErrPassword), errors.Is(err, login.ErrName):
		return fail(codeValue, err.Error())
	}
	return err
}

func (s *Server) addUser(q *request) (any, error) {
	user := login.User{Name: q.params.text("username"), Role: login.Administrator, MustChange: q.params.flag("change_password")}
	password := q.params.text("password")
	if user.Name == "" || password == "" {
		return nil, failWithoutCode("Username or password undefined")
	}
	if role := q.params.text("tags"); role != "" {
		user.Role = login.Role(role)
	}
	return nil, saidOfUser(s.users.Add(q.ctx, user, password))
}

// updateUser wants whoever changes his own password to know the old one: who
// finds a browser open must not be able to keep it.
func (s *Server) updateUser(q *request) (any, error) {
	name, password := q.path["name"], q.params.text("password")
	if password != "" {
		if q.caller.user != nil && q.caller.user.Name == name {
			return nil, fail(codeValue, "to change a password of one's own, the old one is needed: PUT /change_pwd/"+name)
		}
		if err := s.users.SetPassword(q.ctx, name, password, q.params.flag("change_password")); err != nil {
			return nil, saidOfUser(err)
		}
	}
	role := q.params.text("tags")
	if role == "" {
		if password == "" {
			return nil, fail(codeMissing, "missing mandatory params: "+quoted([]string{"tags"}))
		}
		return nil, nil
	}
	err := s.users.SetRole(name, login.Role(role))
	if errors.Is(err, login.ErrLast) {
		return nil, fail(codeLast, err.Error())
	}
	return nil, saidOfUser(err)
}

// deleteUser says of the last administrator what EMQ X says of the user admin.
func (s *Server) deleteUser(q *request) (any, error) {
	err := s.users.Delete(q.path["name"])
	if errors.Is(err, login.ErrLast) {
		return nil, failWithoutCode("Cannot delete admin")
	}
	return nil, saidOfUser(err)
}
