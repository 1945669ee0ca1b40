package api

import (
	"encoding/base64"
	"errors"

	"github.com/dunlin-mq/dunlin/auth"
)

// usualIterations is what EMQ X takes.
const usualIterations = 4096

// scramRoutes are the users of enhanced authentication, as EMQ X's emqx_sasl
// has them.
func (s *Server) scramRoutes() []Route {
	if s.o.Scram == nil {
		return nil
	}
	mechanism := Param{Name: "mechanism", Type: Text, Required: true, Doc: "SCRAM-SHA-256 or SCRAM-SHA-512"}
	username := Param{Name: "username", Type: Text, Required: true}
	all := []Param{
		mechanism, username, {Name: "password", Type: Text, Required: true, Doc: "in clear; it isn't kept"},
		{Name: "salt", Type: Text, Doc: "a random one"}, {Name: "iteration_count", Type: Whole, Doc: "4096"},
	}
	routes := []Route{
		{Method: "POST", Path: "/sasl", Name: "add_sasl", Summary: "Add a user of SCRAM", Params: all,
			handle: func(q *request) (any, error) { return nil, s.putScram(q, s.o.Scram.Add) }},
		{Method: "PUT", Path: "/sasl", Name: "update_sasl", Summary: "Give a user of SCRAM another password", Params: all,
			handle: func(q *request) (any, error) { return nil, s.putScram(q, s.o.Scram.Update) }},
		{Method: "DELETE", Path: "/sasl", Name: "delete_sasl", Summary: "Delete a user of SCRAM", Params: []Param{mechanism, username},
			handle: s.deleteScram},
		{Method: "GET", Path: "/sasl", Name: "lookup_sasl", Summary: "Look up a user of SCRAM", Params: []Param{mechanism, username},
			Returns: "{username, stored_key, server_key, salt, iteration_count: int}", secret: true, handle: s.getScram},
	}
	for i := range routes {
		routes[i].Versions = V4
	}
	return routes
}

type putScram func(mechanism, username string, password, salt []byte, iterations int) error

func (s *Server) putScram(q *request, put putScram) error {
	p := q.params
	var salt []byte
	if text := p.text("salt"); text != "" {
		salt = []byte(text)
	}
	err := put(p.text("mechanism"), p.text("username"), []byte(p.text("password")), salt, int(p.whole("iteration_count", usualIterations)))
	switch {
	case errors.Is(err, auth.ErrExists):
		return failWithoutCode("already_existed")
	case errors.Is(err, auth.ErrNotFound):
		return failWithoutCode("not_found")
	}
	return err
}

func (s *Server) deleteScram(q *request) (any, error) {
	err := s.o.Scram.Delete(q.params.text("mechanism"), q.params.text("username"))
	if errors.Is(err, auth.ErrNotFound) {
		err = nil
	}
	return nil, err
}

func (s *Server) getScram(q *request) (any, error) {
	username := q.params.text("username")
	k, ok := s.o.Scram.Lookup(q.params.text("mechanism"), username)
	if !ok {
		return nil, failWithoutCode("not_found")
	}
	text := base64.StdEncoding.EncodeToString
	return object{
		"username": username, "stored_key": text(k.StoredKey), "server_key": text(k.ServerKey), "salt": text(k.Salt),
		"iteration_count": k.Iterations,
	}, nil
}
