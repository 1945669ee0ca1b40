package builtin

import (
	"errors"
	"maps"
	"slices"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
)

// Config is what lies below auth. of a configuration. Relative paths in it have
// to be resolved before it is used.
type Config struct {
	// PasswordHash is how new passwords are stored. A digest gets a random salt,
	// as in EMQ X. UserHash and ClientHash take its place for one kind of account.
	PasswordHash auth.Hash `conf:"mnesia.password_hash"`
	UserHash     auth.Hash `conf:"user.password_hash"`
	ClientHash   auth.Hash `conf:"client.password_hash"`

	// Users and Clients are accounts that have to be there. They are made when
	// they are missing, and never change one that exists.
	Users   map[string]User   `conf:"user.$n"`
	Clients map[string]Client `conf:"client.$n"`

	// MaxRules is how many rules one client id, or one user name, may have; 0 is
	// no limit. A rule for publish and subscribe counts as two.
	MaxRules int `conf:"mnesia.max_acls_for_each_login" range:"0.."`

	// BootstrapFile is a CSV or JSON file of accounts; see Builtin. EMQ X has
	// no such key, nor the next.
	BootstrapFile string `conf:"mnesia.bootstrap_file"`
	// AllowListFile names the only client ids that are let in, one a line.
	AllowListFile string `conf:"clientid_allow_list"`
}

// User is auth.user.$n.*.
type User struct {
	Username string `conf:"username"`
	Password string `conf:"password"`
}

// Client is auth.client.$n.*.
type Client struct {
	ClientID string `conf:"clientid"`
	Password string `conf:"password"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	*c = Config{}
	if err := c.PasswordHash.UnmarshalText([]byte("bcrypt")); err != nil {
		panic(err)
	}
}

// Validate refuses half an account.
func (c *Config) Validate() error {
	var errs []error
	need := func(key, value string) {
		if value == "" {
			errs = append(errs, config.Invalid(key, "expected a value, as an account needs a name and a password"))
		}
	}
	for _, n := range slices.Sorted(maps.Keys(c.Users)) {
		need(config.Key("user", n, "username"), c.Users[n].Username)
		need(config.Key("user", n, "password"), c.Users[n].Password)
	}
	for _, n := range slices.Sorted(maps.Keys(c.Clients)) {
		need(config.Key("client", n, "clientid"), c.Clients[n].ClientID)
		need(config.Key("client", n, "password"), c.Clients[n].Password)
	}
	return errors.Join(errs...)
}

// hashFor is how passwords of a kind of account are stored.
func (c *Config) hashFor(kind auth.SubjectKind) auth.Hash {
	h := c.PasswordHash
	switch {
	case kind == auth.ByUsername && !c.UserHash.IsZero():
		h = c.UserHash
	case kind == auth.ByClientID && !c.ClientHash.IsZero():
		h = c.ClientHash
	}
	return h.WithSalt()
}

// accounts returns Users and Clients.
func (c *Config) accounts() []auth.NewAccount {
	var all []auth.NewAccount
	for _, n := range slices.Sorted(maps.Keys(c.Users)) {
		all = append(all, newAccount(auth.ByUsername, c.Users[n].Username, c.Users[n].Password))
	}
	for _, n := range slices.Sorted(maps.Keys(c.Clients)) {
		all = append(all, newAccount(auth.ByClientID, c.Clients[n].ClientID, c.Clients[n].Password))
	}
	return all
}

func newAccount(kind auth.SubjectKind, name, password string) auth.NewAccount {
	return auth.NewAccount{Subject: auth.Subject{Kind: kind, Name: name}, Password: []byte(password)}
}
