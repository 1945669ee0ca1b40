package query

import (
	"context"
	"log/slog"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
)

// Documents is what MongoDB is asked through. A selector gives the values that
// fields have; a limit of 0 is none. Inside of the documents an array is a []any.
type Documents interface {
	Find(ctx context.Context, collection string, selector map[string]any, limit int) ([]map[string]any, error)
}

// MongoDB are the queries of auth.mongo.
type MongoDB struct {
	Auth  MongoAuth  `conf:"auth_query"`
	Super MongoSuper `conf:"super_query"`
	ACL   MongoACL   `conf:"acl_query"`
}

// MongoAuth finds the password of a client.
type MongoAuth struct {
	On         bool      `conf:"."`
	Collection string    `conf:"collection"`
	Fields     []string  `conf:"password_field"` // of the password, or of password and salt
	Hash       auth.Hash `conf:"password_hash"`
	Selector   Selector  `conf:"selector"`
}

// MongoSuper finds out whether it is a superuser: Field is true then.
type MongoSuper struct {
	On         bool     `conf:"."`
	Collection string   `conf:"collection"`
	Field      string   `conf:"super_field"`
	Selector   Selector `conf:"selector"`
}

// MongoACL finds its rules, with any of the selectors.
type MongoACL struct {
	On         bool                `conf:"."`
	Collection string              `conf:"collection"`
	Selector   Selector            `conf:"selector"`
	Selectors  map[string]Selector `conf:"selector.$n"`
}

// SetDefaults gives the queries that come with EMQ X.
func (c *MongoDB) SetDefaults() {
	byName := Selector{{"username", "%u"}}
	c.Auth = MongoAuth{On: true, Collection: "mqtt_user", Fields: []string{"password"}, Selector: byName}
	c.Auth.Hash, _ = auth.ParseHash("sha256")
	c.Super = MongoSuper{On: true, Collection: "mqtt_user", Field: "is_superuser", Selector: byName}
	c.ACL = MongoACL{On: true, Collection: "mqtt_acl"} // for its selector see all
}

// Validate checks what no single value shows.
func (c *MongoAuth) Validate() error {
	switch {
	case len(c.Fields) == 0 || len(c.Fields) > 2:
		return config.Invalid("password_field", "expected a field, or those of password and salt, found %d", len(c.Fields))
	case c.Hash.Salted() && len(c.Fields) == 1:
		return config.Invalid("password_field", "password_hash = %s needs the field of the salt as well: password,salt", c.Hash)
	}
	return nil
}

// all are the selectors: those given, or the one that comes with EMQ X. That
// one doesn't join numbered ones, which may be narrower.
func (c *MongoACL) all() []Selector {
	var all []Selector
	if len(c.Selector) > 0 {
		all = append(all, c.Selector)
	}
	for _, n := range config.Names(c.Selectors) {
		all = append(all, c.Selectors[n])
	}
	if len(all) == 0 {
		all = []Selector{{{"username", "%u"}}}
	}
	return all
}

// Selector finds documents, written `username=%u,clientid=%c`: each field has
// the value beside it. A value is one of %u, %c, %C and %d, or a text.
type Selector []Field

// Field is one condition of a Selector.
type Field struct{ Name, Value string }

// UnmarshalText is the configuration's.
func (s *Selector) UnmarshalText(text []byte) error {
	var list Selector
	for part := range strings.SplitSeq(string(text), ",") {
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" || strings.HasPrefix(name, "$") {
			return config.Expected("fields and values such as username=%u,clientid=%c", string(text))
		}
		list = append(list, Field{name, value})
	}
	*s = list
	return nil
}

// String returns what UnmarshalText reads.
func (s Selector) String() string {
	parts := make([]string, len(s))
	for i, f := range s {
		parts[i] = f.Name + "=" + f.Value
	}
	return strings.Join(parts, ",")
}

// of is the selector for a request; ok is false if the client lacks a name that
// is needed: nothing can be stored about it.
func (s Selector) of(r *auth.Request) (values map[string]any, ok bool) {
	values = make(map[string]any, len(s))
	for _, f := range s {
		value := f.Value
		if len(value) == 2 { // a placeholder stands for the whole value or for nothing
			if value, ok = fill(value, identity, r); !ok {
				return nil, false
			}
		}
		values[f.Name] = value
	}
	return values, true
}

// NewMongoDB is the provider "mongo". It lacks its Authenticator or Authorizer
// if the query is off; Backend and Close are the caller's.
func NewMongoDB(c MongoDB, db Documents, passwords *auth.Passwords, log *slog.Logger) auth.Provider {
	p := auth.Provider{Name: "mongo"}
	if c.Auth.On {
		p.Authenticator = &mongoAuthenticator{MongoAuth: c.Auth, super: c.Super, db: db, passwords: passwords, log: newComplaints(log)}
	}
	if c.ACL.On {
		p.Authorizer = &mongoAuthorizer{collection: c.ACL.Collection, selectors: c.ACL.all(), db: db, log: newComplaints(log)}
	}
	return p
}
