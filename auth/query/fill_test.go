package query

import (
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/hook"
)

// hostile are names that mean something to one backend or another.
var hostile = []string{
	"*", "a b", "a  b", `a"b`, "a'b", "$ne", `{"$ne": null}`, "$where", "%u", "%c", "${user}", "${device_dn}",
	"a)(uid=*", "*)(objectClass=*", "a,dc=emqx", "a+uid=b", `a\`, "#1", " a ", "a=b", "a;b", "a\r\nDEL x", "ü", "a/b", "+", "a,b=c",
}

func TestFill(t *testing.T) {
	who := &auth.Client{ClientID: "c1", Username: "u 1", Cert: &hook.CertInfo{CommonName: "cn", Subject: "CN=cn"}}
	is := func(text, letters string, want string, ok bool) {
		t.Helper()
		if got, gotOK := fill(text, letters, &auth.Request{Client: who, Password: []byte("secret")}); got != want || gotOK != ok {
			t.Errorf("%s is %q, %v, want %q, %v", text, got, gotOK, want, ok)
		}
	}
	is("", identity, "", true)
	is("plain", identity, "plain", true)
	is("x:%u:%c:%C:%d", identity, "x:u 1:c1:cn:CN=cn", true)
	is("%u%u", identity, "u 1u 1", true)
	is("%P %a %x %", identity, "%P %a %x %", true)
	is("%%u", identity, "%u 1", true)
	is("%C", "uc", "%C", true)
	who.Username = "%c%u"
	is("%u-%c", identity, "%c%u-c1", true)
	who.Username, who.Cert = "", nil
	is("a%u", identity, "", false)
	is("a%C", identity, "", false)
	is("a%c", identity, "ac1", true)
}

func TestFillHostile(t *testing.T) {
	for _, name := range hostile {
		got, ok := fill("a:%u:b", identity, &auth.Request{Client: &auth.Client{Username: name}})
		if !ok || got != "a:"+name+":b" {
			t.Errorf("%q became %q", name, got)
		}
	}
}

func FuzzFill(f *testing.F) {
	f.Add("HMGET mqtt_user:%u", "bob")
	f.Add("%%u%", "%u")
	f.Fuzz(func(t *testing.T, text, name string) {
		got, ok := fill(text, "u", &auth.Request{Client: &auth.Client{Username: name}})
		if asked := strings.Contains(text, "%u"); ok != (!asked || name != "") {
			t.Fatalf("%q with %q: %v", text, name, ok)
		}
		if want := strings.ReplaceAll(text, "%u", name); ok && got != want {
			t.Fatalf("%q with %q is %q, want %q", text, name, got, want)
		}
	})
}
