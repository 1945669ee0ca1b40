package builtin

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
)

// maxBootstrap bounds a bootstrap file: some millions of accounts.
const maxBootstrap = 512 << 20

// readBootstrap reads a file of accounts: a JSON array of objects, or CSV with
// a header line. The fields are those of entry, in any order.
func readBootstrap(path string, config *Config) ([]auth.NewAccount, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if info.Size() > maxBootstrap {
		return nil, fmt.Errorf("expected at most %d bytes, found %d", maxBootstrap, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	return parseBootstrap(text, config)
}

func withoutPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func parseBootstrap(text []byte, config *Config) ([]auth.NewAccount, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	c := &collector{config: config, seen: make(map[auth.Subject]int)}
	if begin := bytes.TrimLeft(text, " \t\r\n"); len(begin) > 0 && (begin[0] == '[' || begin[0] == '{') {
		c.readJSON(text)
	} else {
		c.readCSV(text)
	}
	return c.all, errors.Join(c.errs...)
}

// entry is one account of a bootstrap file. EMQX 5 calls the user name user_id;
// login, type and password together are the form in which EMQ X 4 exports its
// own, with the password in base64.
type entry struct {
	ClientID string `json:"clientid"`
	Username string `json:"username"`
	UserID   string `json:"user_id"`

	Password  string    `json:"password"`      // in clear, to be hashed as the configuration says
	Stored    string    `json:"password_hash"` // hashed elsewhere
	Salt      string    `json:"salt"`
	Hash      string    `json:"hash"` // how, as in a password_hash key; empty: as the configuration says
	Superuser superuser `json:"is_superuser"`

	Login   string           `json:"login"`
	Type    auth.SubjectKind `json:"type"`
	Created any              `json:"created_at"` // not taken over
}

// superuser is true, "true" or 1.
type superuser bool

// UnmarshalText reads the field of a CSV file.
func (s *superuser) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	v, err := strconv.ParseBool(string(text))
	*s = superuser(v)
	if err != nil {
		return fmt.Errorf("expected true or false for is_superuser, found %q", text)
	}
	return nil
}

// UnmarshalJSON reads the value with or without quotes.
func (s *superuser) UnmarshalJSON(text []byte) error { return s.UnmarshalText(bytes.Trim(text, `"`)) }

// account turns an entry into what is to be added.
func (e *entry) account(config *Config) (a auth.NewAccount, err error) {
	names := 0
	for _, s := range []auth.Subject{
		{Kind: auth.ByClientID, Name: e.ClientID}, {Kind: auth.ByUsername, Name: e.Username},
		{Kind: auth.ByUsername, Name: e.UserID}, {Kind: e.Type, Name: e.Login},
	} {
		if s.Name != "" {
			a.Subject = s
			names++
		}
	}
	if names != 1 {
		return a, errors.New("expected one of clientid, username and user_id")
	}
	if err := checkName(a.Name); err != nil {
		return a, err
	}
	if a.Kind != auth.ByClientID && a.Kind != auth.ByUsername {
		return a, errNoKind
	}
	a.Superuser = bool(e.Superuser)
	return a, e.secret(&a, config.hashFor(a.Kind))
}

// secret sets the password of an account; usual is how those are hashed that
// don't say it.
func (e *entry) secret(a *auth.NewAccount, usual auth.Hash) (err error) {
	if e.Hash != "" {
		if usual, err = auth.ParseHash(e.Hash); err != nil {
			return err
		}
	}
	switch {
	case (e.Password == "") == (e.Stored == ""):
		return errors.New("expected one of password and password_hash")
	case e.Login != "":
		value, err := base64.StdEncoding.DecodeString(e.Password)
		var ok bool
		if a.Hash, a.Stored, a.Salt, ok = usual.ReadEMQX(string(value)); !ok || err != nil {
			return fmt.Errorf("expected the password of a login in base64 as EMQ X exports it, stored with %s", usual)
		}
		return nil
	case e.Password != "" && (e.Hash != "" || e.Salt != ""):
		return errors.New("expected hash and salt beside password_hash only")
	case e.Password != "":
		a.Password = []byte(e.Password)
		return nil
	}
	a.Hash, a.Stored, a.Salt, err = readStored(usual, e.Stored, e.Salt)
	return err
}

// maxErrors is how many mistakes of a file are reported.
const maxErrors = 10

// collector gathers accounts and mistakes.
type collector struct {
	config *Config
	all    []auth.NewAccount
	seen   map[auth.Subject]int // the line
	errs   []error
}

// fail notes a mistake and reports whether there are enough of them.
func (c *collector) fail(line int, err error) (enough bool) {
	c.errs = append(c.errs, fmt.Errorf("line %d: %w", line, err))
	return len(c.errs) >= maxErrors
}

// take notes an account and reports whether there are enough mistakes.
func (c *collector) take(line int, e *entry) (enough bool) {
	a, err := e.account(c.config)
	if first := c.seen[a.Subject]; err == nil && first > 0 {
		err = fmt.Errorf("the %s %q stands in line %d already", a.Kind, a.Name, first)
	}
	if err != nil {
		return c.fail(line, err)
	}
	a.Name = strings.Clone(a.Name) // it was a part of the line
	c.seen[a.Subject] = line
	c.all = append(c.all, a)
	return false
}
