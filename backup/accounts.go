package backup

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dunlin-mq/dunlin/auth"
)

// account is a record of auth_mnesia, auth_clientid or auth_username.
type account struct {
	Login    word `json:"login"`
	Type     word `json:"type"`
	ClientID word `json:"clientid"`
	Username word `json:"username"`

	Password  word   `json:"password"`
	Superuser flag   `json:"is_superuser"`
	Created   moment `json:"created_at"` // milliseconds
}

func (a *account) name() string { return string(a.Login + a.ClientID + a.Username) }

func (r *reader) accounts() error {
	r.seen = make(map[auth.Subject]place)
	for _, part := range []struct {
		name string
		kind auth.SubjectKind
	}{{"auth_clientid", auth.ByClientID}, {"auth_username", auth.ByUsername}, {"auth_mnesia", ""}} {
		err := each(r, part.name, (*account).name, func(at string, a *account) error {
			kind := part.kind
			switch {
			case kind != "":
			case a.Type != "":
				kind = auth.SubjectKind(a.Type)
			default:
				kind = r.as
			}
			if kind == "" {
				return ErrLogins
			}
			return r.account(at, kind, a)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// account takes one over; of two for one name the later counts, as in EMQ X.
func (r *reader) account(at string, kind auth.SubjectKind, a *account) error {
	s := auth.Subject{Kind: kind, Name: a.name()}
	if kind != auth.ByClientID && kind != auth.ByUsername {
		return fmt.Errorf("expected the type clientid or username, found %.20q", string(kind))
	}
	if err := checkName(s.Name); err != nil {
		return err
	}
	h, err := readPassword(string(a.Password), r.hash)
	if err != nil {
		return err
	}
	r.put(at, auth.NewAccount{
		Subject: s, Superuser: bool(a.Superuser), Created: a.Created.millis(), Hash: h.Hash, Stored: h.Stored, Salt: h.Salt,
	})
	return nil
}

func (r *reader) put(at string, a auth.NewAccount) {
	all := &r.data.Accounts
	if before, twice := r.seen[a.Subject]; twice {
		r.problem(before.at, a.Name, fmt.Errorf("the %s stands in %s again, which counts", a.Kind, at))
		(*all)[before.index] = a
		r.seen[a.Subject] = place{at, before.index}
		return
	}
	r.seen[a.Subject] = place{at, len(*all)}
	*all = append(*all, a)
}

// checkName is what a built-in list can keep.
func checkName(name string) error {
	const longest = 32_000
	if name == "" || len(name) > longest || strings.IndexByte(name, 0) >= 0 || !utf8.ValidString(name) {
		return fmt.Errorf("expected a name of 1 to %d bytes in UTF-8 without a zero byte", longest)
	}
	return nil
}

// digests are the kinds that show in the length of a value.
var digests = []string{"md5", "sha", "sha256", "sha512", "bcrypt", "plain"}

// readPassword finds out how a value was made; as, if it is set, says it.
func readPassword(value string, as auth.Hash) (Hashed, error) {
	values := []string{value}
	if decoded, err := base64.StdEncoding.DecodeString(value); err == nil && len(decoded) > 0 {
		values = []string{string(decoded), value}
	}
	for _, v := range values {
		if !as.IsZero() {
			if h, ok := readValue(v, as); ok {
				return h, nil
			}
			continue
		}
		for _, name := range digests {
			kind, err := auth.ParseHash(name)
			if err != nil {
				return Hashed{}, err // can't be: the names are ours
			}
			if h, stored, salt, ok := kind.ReadEMQX(v); ok {
				return Hashed{h, stored, salt}, nil
			}
		}
	}
	switch {
	case value == "":
		return Hashed{}, errors.New("expected a password")
	case strings.ContainsRune(value, '\uFFFD'):
		return Hashed{}, errors.New("the salt of the password was lost when EMQ X wrote it as text: it has to be set anew")
	case !as.IsZero():
		return Hashed{}, fmt.Errorf("the password is not stored with %s", as)
	}
	return Hashed{}, errors.New(`it doesn't show how the password is stored: if all are in clear, add {"auth.mnesia.password_hash":"plain"}`)
}

// readValue reads a value of a kind that is known. Early versions have
// passwords in clear without the salt in front.
func readValue(value string, as auth.Hash) (Hashed, bool) {
	if h, stored, salt, ok := as.ReadEMQX(value); ok {
		return Hashed{h, stored, salt}, true
	}
	return Hashed{Hash: as, Stored: value}, as.String() == "plain" && value != ""
}
