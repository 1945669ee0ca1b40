package builtin

import (
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

func TestHashOfNewPasswords(t *testing.T) {
	hash := func(text, users, clients string) {
		t.Helper()
		c := settings(t, text)
		if u, cl := c.hashFor(auth.ByUsername).String(), c.hashFor(auth.ByClientID).String(); u != users || cl != clients {
			t.Errorf("%q: %s and %s, want %s and %s", text, u, cl, users, clients)
		}
	}
	hash("", "bcrypt", "bcrypt")
	hash("auth.mnesia.password_hash = sha256", "salt,sha256", "salt,sha256")
	hash("auth.mnesia.password_hash = plain", "plain", "plain")
	hash("auth.user.password_hash = md5", "salt,md5", "bcrypt")
	hash("auth.client.password_hash = sha,salt", "bcrypt", "sha,salt")
	hash("auth.mnesia.password_hash = sha\nauth.user.password_hash = sha512", "salt,sha512", "salt,sha")
	hash("auth.mnesia.password_hash = pbkdf2,sha256,1000,20", "pbkdf2,sha256,1000,20", "pbkdf2,sha256,1000,20")
}

func TestMistakesInTheConfiguration(t *testing.T) {
	bad := func(text, says string) {
		t.Helper()
		if _, err := bind(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want it to say %q", text, err, says)
		}
	}
	bad("auth.mnesia.password_hash = sha3", "test.conf:1: auth.mnesia.password_hash: expected plain, md5")
	bad("auth.user.password_hash = ", "auth.user.password_hash")
	bad("auth.user.1.username = u", "auth.user.1.password: expected a value")
	bad("auth.user.1.password = p", "auth.user.1.username: expected a value")
	bad("auth.client.x.clientid = c", "auth.client.x.password: expected a value")
	bad("auth.client.x.password = p", "auth.client.x.clientid: expected a value")
	bad("auth.user.1.clientid = u", "auth.user.1.clientid")
	bad("auth.mnesia.max_acls_for_each_login = -1", "auth.mnesia.max_acls_for_each_login: expected")
}

func TestAccountsOfTheConfiguration(t *testing.T) {
	f := start(t, `
		auth.user.1.username = admin
		auth.user.1.password = public
		auth.user.other.username = other
		auth.user.other.password = secret
		auth.client.1.clientid = id
		auth.client.1.password = passwd
		auth.client.2.clientid = admin
		auth.client.2.password = both`)
	f.connect("", "admin", "public", "allow")
	f.connect("", "other", "secret", "allow")
	f.connect("id", "", "passwd", "allow")
	f.connect("admin", "", "both", "allow")
	f.check(f.UpdateAccount(t.Context(), newAccount(auth.ByUsername, "admin", "changed")))
	f.check(f.DeleteAccount(client("id")))
	f.restart()
	f.connect("", "admin", "changed", "allow") // what exists is left alone
	f.connect("id", "", "passwd", "allow")     // what is missing comes again
}
