package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// MaxSize bounds an export, in bytes: some 400,000 accounts.
const MaxSize = 64 << 20

// Data is what an export holds.
type Data struct {
	Version string // of EMQ X
	Date    string // as it stands there

	Accounts []auth.NewAccount
	Rules    []auth.Rule // each asked before those in front of it, as if they had been added in this order
	Bans     []auth.Ban
	Apps     []App
	Users    []User

	Problems []Problem // the first of the records that can't be read
	More     int       // how many more of them there are
	Left     []Left    // parts that can't be taken over
	Notes    []string  // what an operator should know, a sentence each
}

// App is a login of the management API.
type App struct {
	ID, Name, Desc string
	Enabled        bool
	Expires        time.Time // zero: never
	Secret         string    // in clear; empty: only what follows is known
	Hashed
}

// User is a login of the dashboard.
type User struct {
	Name, Tags string
	Hashed
	// MustChange is set if he has to change the password, as everybody knows it
	// or somebody else has chosen it.
	MustChange bool
}

// Hashed is what is kept of a password.
type Hashed struct {
	Hash         auth.Hash
	Stored, Salt string // bytes; Salt need not be text
}

// Problem is a record that is not taken over.
type Problem struct {
	At     string `json:"at"`             // auth_mnesia[3]
	Name   string `json:"name,omitempty"` // whose it is
	Reason string `json:"reason"`
}

// Left is a part of an export that is not taken over.
type Left struct {
	Part   string `json:"part"`
	Count  int    `json:"count"`
	Reason string `json:"reason"`
}

// Errors of files that can't be imported.
var (
	ErrVersion = errors.New("expected an export of EMQ X 4.0 to 4.4")
	ErrNoJSON  = errors.New("expected a data export of EMQ X 4, a JSON object")
	// ErrLogins is about exports before 4.3, which don't say what a login is.
	ErrLogins = errors.New(`the export doesn't say whether logins are user names or client ids: add {"auth.mnesia.as":"username"} or {"auth.mnesia.as":"clientid"}, as emqx_auth_mnesia.conf had it`)
)

// Read reads an export. env, an object or empty, is put over it, as EMQ X does
// with --env: auth.mnesia.as says what logins are in exports before 4.3, and
// auth.mnesia.password_hash, which EMQ X hasn't, how passwords are hashed where
// that doesn't show. Nothing can be taken over after an error; what is wrong with
// single records is in Problems.
func Read(text, env []byte) (*Data, error) {
	parts, err := open(text)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(env)) > 0 {
		var over map[string]json.RawMessage
		if err := json.Unmarshal(env, &over); err != nil {
			return nil, fmt.Errorf("expected a JSON object to put over the export: %w", err)
		}
		maps.Copy(parts, over)
	}
	r := &reader{parts: parts, data: new(Data)}
	if err := r.head(); err != nil {
		return nil, err
	}
	for _, read := range []func() error{r.accounts, r.rules, r.bans, r.apps, r.users, r.own} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	r.rest()
	return r.data, nil
}

// open takes apart the object. Who saved the answer of REST's download has the
// export in it as a text.
func open(text []byte) (parts map[string]json.RawMessage, err error) {
	switch {
	case len(text) > MaxSize:
		return nil, fmt.Errorf("expected an export of at most %d bytes", MaxSize)
	case bytes.HasPrefix(text, []byte("\x1f\x8b")):
		return nil, fmt.Errorf("%w: this is an archive, as EMQ X 5 makes them", ErrVersion)
	}
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &parts); err != nil || parts == nil {
		return nil, ErrNoJSON
	}
	if _, named := parts["filename"]; named && parts["file"] != nil && parts["version"] == nil {
		var inner string
		if err := json.Unmarshal(parts["file"], &inner); err != nil {
			return nil, ErrNoJSON
		}
		parts = nil
		if err := json.Unmarshal([]byte(inner), &parts); err != nil || parts == nil {
			return nil, ErrNoJSON
		}
	}
	return parts, nil
}

// reader takes the parts one by one.
type reader struct {
	parts map[string]json.RawMessage
	data  *Data
	as    auth.SubjectKind // of logins without a type; empty: not known
	hash  auth.Hash        // of accounts; zero: as it shows
	seen  map[auth.Subject]place
}

// place is where an account stands, in the file and in Data.
type place struct {
	at    string
	index int
}

var versions = regexp.MustCompile(`^4\.[0-4](\.\d+.*)?$`)

// head reads what is about the whole of it.
func (r *reader) head() error {
	var version, date, as, hash word
	for name, into := range map[string]*word{"version": &version, "date": &date, "auth.mnesia.as": &as, "auth.mnesia.password_hash": &hash} {
		if raw, has := r.parts[name]; has {
			if err := json.Unmarshal(raw, into); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			delete(r.parts, name)
		}
	}
	if !versions.MatchString(string(version)) {
		return fmt.Errorf("%w, found %.20q", ErrVersion, string(version))
	}
	r.data.Version, r.data.Date = string(version), string(date)
	switch r.as = auth.SubjectKind(as); r.as {
	case "", auth.ByClientID, auth.ByUsername:
	default:
		return fmt.Errorf("auth.mnesia.as: expected username or clientid, found %.20q", string(as))
	}
	if hash == "" {
		return nil
	}
	if err := r.hash.UnmarshalText([]byte(hash)); err != nil {
		return fmt.Errorf("auth.mnesia.password_hash: %w", err)
	}
	return nil
}

// maxRecords is how many a list may have: more than MaxSize has room for if they
// say anything, and few enough to be told within seconds that they don't.
const maxRecords = 2_000_000

// each reads a list. take is told where a record stands; the error is what is
// wrong with it, and errWhole wrapped in it ends everything.
func each[T any](r *reader, part string, name func(*T) string, take func(at string, record *T) error) error {
	raw, has := r.parts[part]
	delete(r.parts, part)
	if !has {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw)) // one by one: a list takes ten times the memory of its text
	switch begin, err := d.Token(); {
	case err == nil && begin == nil: // null
		return nil
	case err != nil || begin != json.Delim('['):
		return fmt.Errorf("%s: expected a list", part)
	}
	for i := 0; d.More(); i++ {
		if i == maxRecords {
			return fmt.Errorf("%s: expected at most %d records", part, maxRecords)
		}
		if err := d.Decode(&raw); err != nil {
			return fmt.Errorf("%s: %w", part, err) // never: it was read before
		}
		var record T
		at := fmt.Sprintf("%s[%d]", part, i)
		err := plain(json.Unmarshal(raw, &record))
		if err == nil {
			err = take(at, &record)
		}
		if errors.Is(err, ErrLogins) {
			return err
		}
		if err != nil {
			r.problem(at, name(&record), err)
		}
	}
	return nil
}

// plain says what is wrong without the words of Go's types.
func plain(err error) error {
	if wrong, is := errors.AsType[*json.UnmarshalTypeError](err); is {
		if wrong.Field == "" {
			return fmt.Errorf("expected an object, found %s", wrong.Value)
		}
		return fmt.Errorf("%s is %s", wrong.Field, wrong.Value)
	}
	return err
}

// longestName bounds the name of whose problem it is.
const longestName = 100

func (r *reader) problem(at, name string, err error) {
	if len(r.data.Problems) == maxListed {
		r.data.More++
		return
	}
	if len(name) > longestName {
		name = name[:longestName] + "…"
	}
	r.data.Problems = append(r.data.Problems, Problem{at, name, err.Error()})
}

// leftOut says why parts that are known are not taken over.
var leftOut = map[string]string{
	"rules":           "this version has no rules yet; keep the export",
	"resources":       "this version has no rules, which resources are for, yet; keep the export",
	"schemas":         "this version has no schema registry yet",
	"modules":         "modules are settings here: see the configuration",
	"configs":         "settings are read from the configuration file only",
	"listeners_state": "listeners are settings here: see the configuration",
}

// rest counts what is left.
func (r *reader) rest() {
	for _, part := range slices.Sorted(maps.Keys(r.parts)) {
		reason, known := leftOut[part]
		if !known {
			reason = "no part of an export that is known"
		}
		n := 1
		var list []nothing
		if json.Unmarshal(r.parts[part], &list) == nil {
			n = len(list)
		}
		if n > 0 {
			r.data.Left = append(r.data.Left, Left{part, n, reason})
		}
	}
}

// nothing is what has to be counted only.
type nothing struct{}

// UnmarshalJSON takes anything.
func (*nothing) UnmarshalJSON([]byte) error { return nil }
