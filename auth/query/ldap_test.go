package query

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
)

type entry = map[string][]string

// entries is a directory that finds the same entries for everybody.
type entries struct {
	found      []entry
	err        error
	bind       func(dn, password string) (bool, error)
	base       string
	filter     string
	attributes []string
}

func (e *entries) Search(_ context.Context, base, filter string, attributes []string) ([]map[string][]string, error) {
	e.base, e.filter, e.attributes = base, filter, attributes
	return e.found, e.err
}

func (e *entries) Bind(_ context.Context, dn, password string) (bool, error) {
	return e.bind(dn, password)
}

func loadLDAP(text string) (c LDAP, err error) {
	f, err := config.Parse(strings.NewReader(text), "ldap.conf")
	if err == nil {
		_, err = config.Bind(&c, f.Settings, nil)
	}
	return c, err
}

func directory(t *testing.T, text string) LDAP {
	t.Helper()
	c, err := loadLDAP(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLDAPConfig(t *testing.T) {
	is := func(lines, base, filter string) {
		t.Helper()
		c := directory(t, lines)
		if got := c.base("bob"); got != base {
			t.Errorf("%s\nsearches below %s, want %s", lines, got, base)
		}
		if got := c.filter("bob"); got != filter {
			t.Errorf("%s\nsearches with %s, want %s", lines, got, filter)
		}
	}
	is("", "uid=bob,ou=device,dc=emqx,dc=io", "(objectClass=mqttUser)")
	is("device_dn = ou=d\nusername.attributetype = cn\nmatch_objectclass = person", "cn=bob,ou=d", "(objectClass=person)")
	is("custom_base_dn = ${device_dn}\nfilters.1.key = mqttAccountName\nfilters.1.value = ${user}\nfilters.1.op = and\nfilters.2.key = objectClass\nfilters.2.value = mqttUser",
		"ou=device,dc=emqx,dc=io", "(&(objectClass=mqttUser)(&(mqttAccountName=bob)(objectClass=mqttUser)))")
	is("filters.1.key = a\nfilters.1.value = 1\nfilters.1.op = and\nfilters.2.key = b\nfilters.2.value = 2\nfilters.2.op = or\nfilters.3.key = c\nfilters.3.value = 3",
		"uid=bob,ou=device,dc=emqx,dc=io", "(&(objectClass=mqttUser)(|(&(a=1)(b=2))(c=3)))")
	is("filters.1.key = a\nfilters.1.value = *)(b=", "uid=bob,ou=device,dc=emqx,dc=io", `(&(objectClass=mqttUser)(a=\2a\29\28b\3d))`)
}

func TestLDAPConfigMistakes(t *testing.T) {
	wrong := func(lines, want string) {
		t.Helper()
		if _, err := loadLDAP(lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v, want an error with %q", lines, err, want)
		}
	}
	wrong("custom_base_dn =", "custom_base_dn: expected where entries are")
	wrong("custom_base_dn = ou=device", "expected ${user} here or in a filter")
	wrong("match_objectclass =", "match_objectclass: expected a class")
	wrong("password.attributetype =", "password.attributetype: expected an attribute")
	wrong("filters.1.key = uid", "filters.1.value: expected a value")
	wrong("filters.1.value = x", "filters.1.key: expected an attribute")
	wrong("filters.1.key = a)(b\nfilters.1.value = x", "expected an attribute such as uid")
	wrong("filters.1.op = xor", "expected one of and, or")
}

func TestLDAPEscapes(t *testing.T) {
	c := directory(t, "filters.1.key = mqttAccountName\nfilters.1.value = x${user}")
	for _, name := range append(hostile, "", "\x00", "é\xff") {
		dn, err := ldap.ParseDN(c.base(name))
		if err != nil || len(dn.RDNs) != 4 || len(dn.RDNs[0].Attributes) != 1 || dn.RDNs[0].Attributes[0].Value != name {
			t.Errorf("%q: %s is %v, %v", name, c.base(name), dn, err)
		}
		packet, err := ldap.CompileFilter(c.filter(name))
		if err != nil {
			t.Errorf("%q: %s: %v", name, c.filter(name), err)
			continue
		}
		second := packet.Children[1]
		if second.Tag != ldap.FilterEqualityMatch || second.Children[1].Data.String() != "x"+name {
			t.Errorf("%q: %s compares with %q", name, c.filter(name), second.Children[1].Data)
		}
	}
}

func FuzzLDAPEscape(f *testing.F) {
	for _, name := range hostile {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		dn, err := ldap.ParseDN("uid=" + escape(name) + ",dc=x")
		if err != nil || len(dn.RDNs) != 2 || len(dn.RDNs[0].Attributes) != 1 || dn.RDNs[0].Attributes[0].Value != name {
			t.Fatalf("%q as part of a name: %v, %v", name, dn, err)
		}
		packet, err := ldap.CompileFilter("(uid=" + escape(name) + ")")
		if err != nil {
			t.Fatal(err)
		}
		if name != "" && (packet.Tag != ldap.FilterEqualityMatch || packet.Children[1].Data.String() != name) {
			t.Fatalf("%q as part of a filter is %v", name, packet)
		}
	})
}

func TestLDAPAuthenticate(t *testing.T) {
	with := func(values ...string) entry { return entry{"dn": {"uid=bob"}, "userPassword": values} }
	off := with("public")
	off["isEnabled"] = []string{"FALSE"}
	on := with("public")
	on["isEnabled"] = []string{"TRUE"}
	for _, tc := range []struct {
		name  string
		found []entry
		err   error
		want  auth.Verdict
		fails bool
	}{
		{name: "right", found: []entry{with("public")}, want: auth.Allow},
		{name: "wrong", found: []entry{with("other")}, want: auth.Deny},
		{name: "one of several", found: []entry{with("other", "public")}, want: auth.Allow},
		{name: "no password", found: []entry{with()}, want: auth.Deny},
		{name: "empty password", found: []entry{with("")}, want: auth.Deny},
		{name: "nobody", want: auth.Ignore},
		{name: "disabled", found: []entry{off}, want: auth.Deny},
		{name: "enabled", found: []entry{on}, want: auth.Allow},
		{name: "two", found: []entry{with("public"), with("public")}, fails: true},
		{name: "down", err: errors.New("down"), fails: true},
	} {
		d := &entries{found: tc.found, err: tc.err}
		p := NewLDAP(directory(t, ""), d, nil)
		got, err := p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("public")})
		if (got != auth.Answer{Verdict: tc.want}) || (err != nil) != tc.fails {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
		if !reflect.DeepEqual(d.attributes, []string{"isEnabled", "userPassword"}) {
			t.Errorf("%s: asks for %v", tc.name, d.attributes)
		}
	}
}

func TestLDAPBindAsUser(t *testing.T) {
	var asked []string
	d := &entries{found: []entry{{"dn": {"uid=bob,ou=x"}}}}
	p := NewLDAP(directory(t, "bind_as_user = true"), d, nil)
	is := func(password []byte, says bool, fails error, want auth.Verdict) {
		t.Helper()
		asked = nil
		d.bind = func(dn, password string) (bool, error) {
			asked = append(asked, dn+" "+password)
			return says, fails
		}
		got, err := p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: password})
		if (got != auth.Answer{Verdict: want}) || !errors.Is(err, fails) {
			t.Errorf("%q: %+v, %v", password, got, err)
		}
	}
	is([]byte("public"), true, nil, auth.Allow)
	if len(asked) != 1 || asked[0] != "uid=bob,ou=x public" || !reflect.DeepEqual(d.attributes, []string{"isEnabled"}) {
		t.Errorf("asked %v for %v", asked, d.attributes)
	}
	is([]byte("public"), false, nil, auth.Deny)
	is([]byte("public"), false, errors.New("down"), auth.Ignore)
	is(nil, true, nil, auth.Deny)
	is([]byte{}, true, nil, auth.Deny)
	if asked != nil {
		t.Error("an empty password was sent to the directory")
	}
	d.found[0]["isEnabled"] = []string{"false"}
	is([]byte("public"), true, nil, auth.Deny)
}

func TestLDAPWithoutUserName(t *testing.T) {
	d := &entries{found: []entry{{"dn": {"x"}, "userPassword": {"public"}, "mqttPubSubTopic": {"#"}}}}
	p := NewLDAP(directory(t, ""), d, nil)
	r := &auth.Request{Client: &auth.Client{ClientID: "c1"}, Password: []byte("public"), Topic: "a"}
	for _, ask := range []func(context.Context, *auth.Request) (auth.Answer, error){p.Authenticate, p.Authorize} {
		if got, err := ask(t.Context(), r); (got != auth.Answer{}) || err != nil || d.base != "" {
			t.Errorf("%+v, %v after a search below %s", got, err, d.base)
		}
	}
}

func TestLDAPRules(t *testing.T) {
	const pub, sub = auth.Publish, auth.Subscribe
	var log bytes.Buffer
	is := func(e entry, action auth.Action, name string, want auth.Verdict) {
		t.Helper()
		d := &entries{}
		if e != nil {
			e["dn"] = []string{"uid=bob"}
			d.found = []entry{e}
		}
		p := NewLDAP(directory(t, ""), d, slog.New(slog.NewTextHandler(&log, nil)))
		if got, err := p.Authorize(t.Context(), &auth.Request{Client: bob, Action: action, Topic: name}); err != nil || got.Verdict != want {
			t.Errorf("%v, %v %s: %+v, %v", e, action, name, got, err)
		}
	}
	is(nil, pub, "a", auth.Ignore)
	is(entry{}, pub, "a", auth.Ignore)
	is(entry{"mqttPublishTopic": {"a", "b/#"}}, pub, "b/c", auth.Allow)
	is(entry{"mqttPublishTopic": {"a", "b/#"}}, pub, "c", auth.Ignore)
	is(entry{"mqttPublishTopic": {"a"}}, sub, "a", auth.Ignore)
	is(entry{"mqttSubscriptionTopic": {"a/+"}}, sub, "a/b", auth.Allow)
	is(entry{"mqttSubscriptionTopic": {"a/+"}}, pub, "a/b", auth.Ignore)
	is(entry{"mqttPubSubTopic": {"a"}}, pub, "a", auth.Allow)
	is(entry{"mqttPubSubTopic": {"a"}}, sub, "a", auth.Allow)
	is(entry{"mqttPubSubTopic": {"d/%u/%c"}}, sub, "d/bob/c1", auth.Allow)
	is(entry{"mqttPubSubTopic": {"a"}, "isEnabled": {"FALSE"}}, sub, "a", auth.Deny)
	is(entry{"mqttPublishTopic": {"a#", "b"}}, pub, "b", auth.Allow)
	if !strings.Contains(log.String(), "mqttPublishTopic") {
		t.Errorf("a topic that is none is not complained about: %s", &log)
	}
	p := NewLDAP(directory(t, ""), &entries{err: errors.New("down")}, nil)
	if got, err := p.Authorize(t.Context(), &auth.Request{Client: bob, Topic: "a"}); fmt.Sprint(err) != "down" || got.Verdict != auth.Ignore {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLDAPPassword(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	m, s, l := md5.Sum([]byte("public")), sha1.Sum([]byte("public")), sha256.Sum256([]byte("public"))
	salted := sha1.Sum([]byte("publicsalt"))
	md5Of, shaOf, sshaOf := "{MD5}"+b64(m[:]), "{SHA}"+b64(s[:]), "{SSHA}"+b64(append(salted[:], "salt"...))
	is := func(stored string, fits, readable bool) {
		t.Helper()
		if f, r := ldapPassword(stored, []byte("public")); f != fits || r != readable {
			t.Errorf("%s: fits %v, readable %v", stored, f, r)
		}
	}
	for _, right := range []string{"public", md5Of, shaOf, sshaOf, "{sha}" + b64(s[:]), "{SHA256}" + b64(l[:]), "{SSHA}" + b64(s[:])} {
		is(right, true, true)
		is(b64([]byte(right)), true, true)
	}
	for _, wrong := range []string{"", "other", "{SHA}" + b64(m[:]), "{MD5}" + b64(s[:]), "{SHA}" + b64(s[:19]), "{SHA}" + b64(salted[:]),
		"{SHA}public", "{SHA}", "{MD5", "{}public", b64([]byte("other")), b64([]byte(b64([]byte("public")))), "{MD5}" + b64(append(m[:], "salt"...))} {
		is(wrong, false, !strings.HasPrefix(wrong, "{}"))
	}
	is("{CRYPT}$6$x", false, false)
	is(b64([]byte("{ARGON2}x")), false, false)
	// Who has read what is stored must not log in with it.
	for _, stored := range []string{"{CRYPT}$6$x", md5Of, shaOf, sshaOf} {
		if fits, _ := ldapPassword(stored, []byte(stored)); fits {
			t.Errorf("%s fits itself", stored)
		}
	}
}

func TestLDAPUnreadablePassword(t *testing.T) {
	var log bytes.Buffer
	d := &entries{found: []entry{{"dn": {"uid=bob"}, "userPassword": {"{CRYPT}secret"}}}}
	p := NewLDAP(directory(t, ""), d, slog.New(slog.NewTextHandler(&log, nil)))
	if got, err := p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("public")}); got.Verdict != auth.Deny || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if text := log.String(); !strings.Contains(text, "bind_as_user") || strings.Contains(text, "secret") {
		t.Errorf("the log has %s", text)
	}
}

func FuzzLDAPPassword(f *testing.F) {
	f.Add("{SHA}", []byte("x"))
	f.Add("{SSHA}AAAA", []byte(""))
	f.Add("cHVibGlj", []byte("public"))
	f.Fuzz(func(t *testing.T, stored string, password []byte) {
		fits, readable := ldapPassword(stored, password)
		if fits && !readable {
			t.Fatalf("%q fits a value that can't be read", password)
		}
		if fits && stored == "" {
			t.Fatal("nothing stored, and a password fits")
		}
	})
}
