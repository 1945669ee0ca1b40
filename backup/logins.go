package backup

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
)

// app is a record of apps.
type app struct {
	ID      word   `json:"id"`
	Secret  word   `json:"secret"`
	Name    word   `json:"name"`
	Desc    word   `json:"desc"`
	Status  flag   `json:"status"`
	Expired moment `json:"expired"` // seconds
}

func (a *app) name() string { return string(a.ID) }

// deliveredSecret is that of the app and the dashboard's user that EMQ X is
// delivered with.
const deliveredSecret = "public"

func (r *reader) apps() error {
	return each(r, "apps", (*app).name, func(_ string, a *app) error {
		if err := checkAppID(string(a.ID)); err != nil {
			return err
		}
		switch a.Secret {
		case "":
			return errors.New("expected a secret")
		case deliveredSecret:
			return errors.New("its secret is the one EMQ X is delivered with, which everybody knows: add the app with one of your own")
		}
		r.data.Apps = append(r.data.Apps, App{
			ID: string(a.ID), Name: a.Name.orNothing(), Desc: a.Desc.orNothing(), Enabled: bool(a.Status),
			Expires: a.Expired.seconds(), Secret: string(a.Secret),
		})
		return nil
	})
}

// checkAppID is about what basic authentication can send.
func checkAppID(id string) error {
	if id == "" || strings.Contains(id, ":") {
		return errors.New("expected an id that isn't empty nor holds a colon")
	}
	return nil
}

// user is a record of users.
type user struct {
	Username word `json:"username"`
	Password word `json:"password"`
	Tags     word `json:"tags"`
}

func (u *user) name() string { return string(u.Username) }

// saltBytes is how many bytes of salt EMQ X has in front of a digest.
const saltBytes = 4

func (r *reader) users() error {
	passwords := auth.NewPasswords()
	return each(r, "users", (*user).name, func(_ string, u *user) error {
		if err := checkName(string(u.Username)); err != nil {
			return err
		}
		h, err := readUserPassword(string(u.Password))
		if err != nil {
			return err
		}
		known, err := passwords.Verify(context.Background(), h.Hash, h.Stored, h.Salt, []byte(deliveredSecret))
		if err != nil {
			return err // can't be: nobody waits for such a hash
		}
		r.data.Users = append(r.data.Users, User{Name: string(u.Username), Tags: u.Tags.orNothing(), Hashed: h, MustChange: known})
		return nil
	})
}

// readUserPassword takes apart salt and digest.
func readUserPassword(text string) (h Hashed, err error) {
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return h, errors.New("expected the password in base64")
	}
	var name string
	switch len(value) - saltBytes {
	case md5.Size:
		name = "salt,md5"
	case sha256.Size:
		name = "salt,sha256"
	default:
		return h, errors.New("expected a password of four bytes of salt and an MD5 or SHA-256 digest")
	}
	h.Hash, err = auth.ParseHash(name)
	h.Salt, h.Stored = string(value[:saltBytes]), hex.EncodeToString(value[saltBytes:])
	return h, err
}
