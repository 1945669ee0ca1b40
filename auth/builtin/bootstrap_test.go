package builtin

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

// bootstrapped starts with a bootstrap file.
func bootstrapped(t *testing.T, text string) *fixture {
	t.Helper()
	f := start(t, "")
	f.options.Config.BootstrapFile = write(t, "users", text)
	f.restart()
	return f
}

func TestBootstrapFromCSV(t *testing.T) {
	f := bootstrapped(t, "\xef\xbb\xbfuser_id, password_hash,salt,is_superuser\r\n"+
		"u1,"+sha256OfPublic+",,\r\n"+
		"u2,"+sha256OfSaltPublic+",salt,true\r\n"+
		"\"u,3\",salt"+sha256OfSaltPublic+",,false\r\n")
	f.connect("", "u1", "public", "allow")
	f.connect("", "u2", "public", "super")
	f.connect("", "u,3", "public", "allow")
	f.connect("", "u1", "private", "refused")

	f = bootstrapped(t, "clientid,username,password,hash,password_hash\nc,,one,,\n,u,two,,\n,v,,bcrypt,"+bcryptOfPublic)
	f.connect("c", "", "one", "allow")
	f.connect("", "u", "two", "allow")
	f.connect("", "v", "public", "allow")
	if a, _ := f.Account(client("c")); a.Stored == "one" || len(a.Stored) != 64 {
		t.Errorf("kept as %s", a.Stored)
	}
	bootstrapped(t, "username,password\n") // nobody
}

func TestBootstrapFromJSON(t *testing.T) {
	exported := func(value string) string { return base64.StdEncoding.EncodeToString([]byte(value)) }
	f := bootstrapped(t, `
		[
			{"user_id": "u1", "password_hash": "`+sha256OfPublic+`"},
			{"username": "u2", "password_hash": "`+sha256OfSaltPublic+`", "salt": "salt", "is_superuser": true},
			{"clientid": "c1", "password": "one", "is_superuser": "true"},
			{"clientid": "c2", "hash": "plain", "password_hash": "two", "is_superuser": 0},
			{"login": "c3", "type": "clientid", "password": "`+exported("salt"+sha256OfSaltPublic)+`", "created_at": 1600000000000},
			{"login": "u3", "type": "username", "hash": "plain", "password": "`+exported("\xff\x00\x01\x02\xff\x00\x01\x02public")+`"}
		]
	`)
	f.connect("", "u1", "public", "allow")
	f.connect("", "u2", "public", "super")
	f.connect("c1", "", "one", "super")
	f.connect("c2", "", "two", "allow")
	f.connect("c3", "", "public", "allow")
	f.connect("", "u3", "public", "allow")
	f.connect("", "u3", "private", "refused")
	bootstrapped(t, "[]")
}

func TestBootstrapOverwritesNothing(t *testing.T) {
	f := bootstrapped(t, "username,password\nu,old\nv,old\n")
	f.check(f.UpdateAccount(t.Context(), newAccount(auth.ByUsername, "u", "new")))
	rewrite(t, f.options.Config.BootstrapFile, "username,password\nu,other\nv,other\nw,other\n")
	f.restart()
	f.connect("", "u", "new", "allow")
	f.connect("", "v", "old", "allow")
	f.connect("", "w", "other", "allow")
}

func TestMistakesInABootstrapFile(t *testing.T) {
	bad := func(text string, says ...string) {
		t.Helper()
		path := write(t, "users", text)
		keeper := keeptest.New()
		_, err := New(t.Context(), Options{
			Config: settings(t, "auth.mnesia.password_hash = sha256\nauth.mnesia.bootstrap_file = "+path), Accounts: keeper,
		})
		want := "auth.mnesia.bootstrap_file: " + path + ": " + strings.Join(says, "\n")
		if err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
		if len(keeper.Keys()) != 0 {
			t.Errorf("%q: %v was added all the same", text, keeper.Keys())
		}
	}
	bad("", "line 1: expected a header such as user_id,password_hash,salt,is_superuser, or a JSON array")
	bad("user,password\nu,p", `line 1: expected the columns clientid, username or user_id, and password or password_hash, salt, hash, is_superuser; found "user"`,
		`line 2: expected the columns clientid, username or user_id, and password or password_hash, salt, hash, is_superuser; found "user"`,
		"line 2: expected one of clientid, username and user_id")
	bad("username,password\nu,p\n\nv\nw,p", "line 4: wrong number of fields")
	bad("username,password\nu,p\nv,\"p", `line 3: extraneous or missing " in quoted-field`)
	bad("username,password\nu,p\n\"a\nb\",p\nu,q", `line 5: the username "u" stands in line 2 already`)
	bad("username,clientid,password\nu,c,p\n,,p", "line 2: expected one of clientid, username and user_id", "line 3: expected one of clientid, username and user_id")
	bad("username,password,password_hash\nu,,\nv,p,"+sha256OfPublic, "line 2: expected one of password and password_hash", "line 3: expected one of password and password_hash")
	bad("username,password,salt\nu,p,s", "line 2: expected hash and salt beside password_hash only")
	bad("username,password_hash\nu,abc", "line 2: "+errUnreadable.Error())
	bad("username,password_hash,hash\nu,"+sha256OfPublic+",sha3",
		"line 2: expected plain, md5, sha, sha256, sha512, bcrypt, one of these with `salt,` before or `,salt` behind it, or pbkdf2,sha256,1000,20, found \"sha3\"")
	bad("username,password,is_superuser\nu,p,maybe", `line 2: expected true or false for is_superuser, found "maybe"`)
	bad("username,password\na\x00b,p", "line 2: "+errNoName.Error())
	bad("login,type,password\nu,user,x", "line 2: "+errNoKind.Error())
	bad("login,type,password\nu,username,x", "line 2: expected the password of a login in base64 as EMQ X exports it, stored with salt,sha256")

	bad(`{"username": "u"}`, "line 1: expected a JSON array of objects")
	bad("[\n{\"username\": \"u\", \"password\": \"p\"},\n{\"user\": \"v\"}\n,\n7, \"x\",\n{\"username\": 7}]",
		`line 3: json: unknown field "user"`, "line 5: expected an object, found number", "line 5: expected an object, found string",
		"line 6: expected text for username, found number")
	bad("[\n{\"username\": \"u\", \"password\": \"p\"}\n", "line 3: the array ends too early")
	bad("[\n{\"username\": \"u\",\n \"password\": \"p}\n", `line 3: invalid character '\n' in string literal`)
	bad("[\n{\"username\": \"u\"\n \"password\": \"p\"}]", "line 3: invalid character '\"' after object key:value pair")
	bad("[]\n[]", "line 2: expected nothing behind the array")
	bad("[\n{\"username\":\"u\",\"password\":\"p\"},\n{\"username\":\"u\",\"password\":\"q\"}]", `line 3: the username "u" stands in line 2 already`)
}

func TestNotMoreThanTenMistakes(t *testing.T) {
	for _, text := range []string{
		"username,password\n" + strings.Repeat("u,\n", 50),
		"[" + strings.TrimSuffix(strings.Repeat("{},", 50), ",") + "]",
		"username,password\n" + strings.Repeat("u\n", 50),
	} {
		_, err := parseBootstrap([]byte(text), new(Config))
		if err == nil || strings.Count(err.Error(), "\n") != maxErrors-1 {
			t.Errorf("%v", err)
		}
	}
}

// manyAccounts is a bootstrap file of hashed passwords.
func manyAccounts(n int) string {
	var b strings.Builder
	b.WriteString("user_id,password_hash,salt,is_superuser\n")
	for i := range n {
		fmt.Fprintf(&b, "device-%06d,%s,%016x,false\n", i, sha256OfPublic, i)
	}
	return b.String()
}

func TestBootstrapOfMany(t *testing.T) {
	const n = 20_000
	f := start(t, "")
	f.options.Config.BootstrapFile = write(t, "users", manyAccounts(n))
	for range 2 {
		f.restart()
		if _, total := f.Accounts(auth.ByUsername, "", 0, 1); total != n {
			t.Errorf("%d accounts", total)
		}
	}
	f.connect("", "device-000000", "private", "refused")
	f.connect("", fmt.Sprintf("device-%06d", n), "private", "ignore")
}

// BenchmarkBootstrap is a first start with 100,000 hashed accounts in a file,
// and the next, without the disk.
func BenchmarkBootstrap(b *testing.B) {
	path := filepath.Join(b.TempDir(), "users")
	if err := os.WriteFile(path, []byte(manyAccounts(100_000)), 0o600); err != nil {
		b.Fatal(err)
	}
	o := Options{Config: Config{BootstrapFile: path}, Passwords: auth.NewPasswords()}
	if err := o.Config.PasswordHash.UnmarshalText([]byte("sha256")); err != nil {
		b.Fatal(err)
	}
	begin := func(b *testing.B) {
		if _, err := New(b.Context(), o); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("first start", func(b *testing.B) {
		for b.Loop() {
			o.Accounts = new(keep.Memory)
			begin(b)
		}
	})
	b.Run("next start", func(b *testing.B) {
		for b.Loop() {
			begin(b)
		}
	})
}

// FuzzBootstrap: whatever is read can be added, and CSV and JSON mean the same.
func FuzzBootstrap(f *testing.F) {
	f.Add([]byte("user_id,password_hash,salt,is_superuser\nu,"+sha256OfSaltPublic+",salt,1\n"), "sha256")
	f.Add([]byte("clientid,password\n\"a\n\"\"b\",x\n"), "plain")
	f.Add([]byte(`[{"login":"u","type":"username","password":"eA==","created_at":1}]`), "md5")
	f.Add([]byte(`[{"username":"u","hash":"bcrypt","password_hash":"`+bcryptOfPublic+`"},{}]`), "sha256")
	f.Fuzz(func(t *testing.T, text []byte, hash string) {
		var c Config
		if c.PasswordHash.UnmarshalText([]byte(hash)) != nil || c.PasswordHash.Slow() {
			return
		}
		all, err := parseBootstrap(text, &c)
		if err != nil {
			if strings.Count(err.Error(), "\n") > 2*maxErrors+bytes.Count(text, []byte("\n")) {
				t.Fatalf("too much is said: %v", err)
			}
			return
		}
		for _, a := range all {
			if a.Stored != "" && !a.Hash.Reads(a.Stored, a.Salt) || a.Stored == "" && len(a.Password) == 0 || checkName(a.Name) != nil {
				t.Fatalf("%+v was read", a)
			}
		}
		b, err := New(t.Context(), Options{Config: c, Passwords: auth.NewPasswords()})
		if err != nil {
			t.Fatal(err)
		}
		for i, err := range b.AddAccounts(t.Context(), all) {
			if err != nil {
				t.Fatalf("%+v: %v", all[i], err)
			}
		}
	})
}

// FuzzSaved: a record comes back as it was kept.
func FuzzSaved(f *testing.F) {
	f.Add("u", "pw", "salt", true)
	f.Add("\xff/", "\xfe", "", false)
	f.Fuzz(func(t *testing.T, name, pw, other string, super bool) {
		if checkName(name) != nil || pw == "" {
			return
		}
		var c Config
		if err := c.PasswordHash.UnmarshalText([]byte("plain")); err != nil {
			t.Fatal(err)
		}
		o := Options{Config: c, Passwords: auth.NewPasswords(), Accounts: keeptest.New(), Rules: keeptest.New()}
		b, err := New(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		a := auth.NewAccount{Subject: user(name), Password: password(pw), Superuser: super}
		if err := b.AddAccount(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		topic, err := auth.NewPattern(other)
		if err == nil {
			err = b.AddRule(auth.Rule{Subject: client(name), Topic: topic, Action: auth.RuleSub, Allow: super})
		}
		again, loadErr := New(t.Context(), o)
		if loadErr != nil {
			t.Fatal(loadErr)
		}
		if x, ok := again.Account(a.Subject); !ok || x.Stored != pw || x.Superuser != super {
			t.Errorf("%+v came back as %+v", a, x)
		}
		if list := again.RulesOf(client(name)); err == nil && (len(list) != 1 || list[0].Topic.String() != other || list[0].Allow != super) {
			t.Errorf("%q came back as %+v", other, list)
		}
	})
}

func TestSavedFormsStayReadable(t *testing.T) {
	f := start(t, "")
	f.accounts = keeptest.Of(map[string]string{
		"username/u": `{"hash":"salt,sha256","stored":"` + base64.StdEncoding.EncodeToString([]byte(sha256OfSaltPublic)) + `","salt":"c2FsdA==","superuser":true,"created":1600000000000}`,
	})
	f.rules = keeptest.Of(map[string]string{
		"clientid/pub/c1\x00a/%u": `{"kind":"clientid","name":"YzE=","topic":"YS8ldQ==","action":"pub","allow":true,"stamp":1600000000000000}`,
	})
	f.options.Accounts, f.options.Rules = f.accounts, f.rules
	f.restart()
	f.connect("", "u", "public", "super")
	f.may(auth.Publish, "a/u1", auth.Allow)
	if a, _ := f.Account(user("u")); a.Created.UnixMilli() != 1600000000000 {
		t.Error(a.Created)
	}
}
