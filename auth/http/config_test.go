package http

import (
	"net"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
	connhttp "github.com/dunlin-mq/dunlin/connector/http"
)

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestGenerations reads what EMQ X 3.2, 4.2 and 4.3 ship, switched on.
func TestGenerations(t *testing.T) {
	f := func(name, text, want string) {
		t.Helper()
		c, err := bind(t, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		var got []string
		for _, q := range []*Question{&c.Auth, &c.Super, &c.ACL} {
			got = append(got, q.URL+" "+q.Method+" "+q.ContentType+" "+q.Params.String())
		}
		if text := strings.Join(got, "\n"); text != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, text, want)
		}
	}
	const login, who = "clientid=%c,username=%u,password=%P", "clientid=%c,username=%u"
	const form = " x-www-form-urlencoded "
	f("nothing", "", " post"+form+login+"\n post"+form+who+
		"\n post"+form+"access=%A,username=%u,clientid=%c,ipaddr=%a,topic=%t,mountpoint=%m")
	f("3.2", `
		auth.http.auth_req = http://127.0.0.1:8991/mqtt/auth
		auth.http.auth_req.method = post
		auth.http.auth_req.params = clientid=%c,username=%u,password=%P
		auth.http.super_req = http://127.0.0.1:8991/mqtt/superuser
		auth.http.super_req.method = post
		auth.http.super_req.params = clientid=%c,username=%u
		auth.http.acl_req = http://127.0.0.1:8991/mqtt/acl
		auth.http.acl_req.method = get
		auth.http.acl_req.params = access=%A,username=%u,clientid=%c,ipaddr=%a,topic=%t
		auth.http.request.timeout = 0
	`, "http://127.0.0.1:8991/mqtt/auth post"+form+login+"\nhttp://127.0.0.1:8991/mqtt/superuser post"+form+who+
		"\nhttp://127.0.0.1:8991/mqtt/acl get"+form+"access=%A,username=%u,clientid=%c,ipaddr=%a,topic=%t")
	f("4.2", `
		auth.http.auth_req = http://127.0.0.1:80/mqtt/auth
		auth.http.auth_req.content_type = json
		auth.http.auth_req.params = clientid=%c, username=%u ,
		auth.http.header.Accept = */*
		auth.http.request.timeout = 5s
	`, "http://127.0.0.1:80/mqtt/auth post json "+who+"\n post"+form+who+
		"\n post"+form+"access=%A,username=%u,clientid=%c,ipaddr=%a,topic=%t,mountpoint=%m")
	f("4.3", `
		auth.http.auth_req.url = https://auth.example/mqtt/auth
		auth.http.auth_req.headers.content-type = application/json
		auth.http.acl_req.url = https://auth.example/mqtt/acl
		auth.http.acl_req.method = get
		auth.http.acl_req.params = access=%A,realm=eu
	`, "https://auth.example/mqtt/auth post"+form+login+"\n post"+form+who+
		"\nhttps://auth.example/mqtt/acl get"+form+"access=%A,realm=eu")
}

// TestAsANodeNestsIt reads the files that EMQ X ships into all structs that
// have a part of auth.http.*.
func TestAsANodeNestsIt(t *testing.T) {
	known := config.NoEffect(config.Runtime, "", `
		auth.http.request.retry_times    int 0..
		auth.http.request.retry_interval duration
		auth.http.request.retry_backoff  float
		auth.http.enable_pipelining      int 0.. | flag
	`)
	for _, version := range []string{"3.2", "4.3"} {
		text, err := os.ReadFile("../../node/testdata/emqx-" + version + "/etc/plugins/emqx_auth_http.conf")
		if err != nil {
			t.Fatal(err)
		}
		file, err := config.Parse(strings.NewReader(strings.ReplaceAll(string(text), "# auth", "auth")), "emqx_auth_http.conf")
		if err != nil {
			t.Fatal(err)
		}
		var keys struct {
			HTTP struct {
				Config  `conf:"."`
				Link    connhttp.Config `conf:"."`
				Backend auth.Backend    `conf:"."`
			} `conf:"auth.http"`
		}
		report, err := config.Bind(&keys, file.Settings, known)
		if err != nil {
			t.Errorf("%s: %v", version, err)
			continue
		}
		if len(report.Unknown) > 0 || keys.HTTP.Auth.URL == "" || keys.HTTP.Super.URL == "" || keys.HTTP.ACL.URL == "" {
			t.Errorf("%s: %+v, unknown: %v", version, keys.HTTP, report.Unknown)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := bind(t, text); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
	const aURL = "expected a URL such as http://127.0.0.1:8991/mqtt/auth"
	f("auth.http.auth_req.url = 127.0.0.1:80/mqtt/auth", "test.conf:1: auth.http.auth_req.url: "+aURL)
	f("auth.http.auth_req = localhost/mqtt/auth", "test.conf:1: auth.http.auth_req: "+aURL)
	f("auth.http.acl_req = ftp://127.0.0.1/", "auth.http.acl_req: "+aURL)
	f("auth.http.acl_req = http:///mqtt", "auth.http.acl_req: "+aURL)
	f("auth.http.acl_req = http://:80/mqtt", "auth.http.acl_req: "+aURL)
	f("auth.http.auth_req.method = put", `test.conf:1: auth.http.auth_req.method: expected one of get, post, found "put"`)
	f("auth.http.auth_req.content_type = xml", `auth.http.auth_req.content_type: expected one of x-www-form-urlencoded, json, found "xml"`)
	f("auth.http.auth_req.headers.content_type = text/xml", `auth.http.auth_req.headers.content_type: expected application/x-www-form-urlencoded or application/json, found "text/xml"`)
	f("auth.http.header.a/b = 1", "auth.http.header.a/b: expected the name of a header: letters, digits, - and _")
	f("auth.http.header.a = 1\x01", "auth.http.header.a: expected a value in one line, without control characters")
	const onePlaceholder = "expected one placeholder (%u %c %a %P %p %C %d %r %A %t %m) or a text without %, found "
	f("auth.http.auth_req.params = clientid=%c,x=%x", "auth.http.auth_req.params: "+onePlaceholder+`"x=%x"`)
	f("auth.http.auth_req.params = clientid=dev-%c", onePlaceholder+`"clientid=dev-%c"`)
	f("auth.http.auth_req.params = a=%", onePlaceholder+`"a=%"`)
	f("auth.http.auth_req.params = a=%cida", onePlaceholder+`"a=%cida"`)
	f("auth.http.auth_req.params = clientid", `expected parameters such as clientid=%c,username=%u, found "clientid"`)
	f("auth.http.auth_req.params = =%c", `expected parameters such as clientid=%c,username=%u, found "=%c"`)
	f("auth.http.auth_req.params = a=1,a=2", `expected each parameter once, found "a=2"`)
	f("auth.http.request.timeout = soon", `expected a duration such as 15s or 1h30m, or a number of ms, found "soon"`)
	if _, err := bind(t, "auth.http.auth_req = http://u:hidden@[::1/"); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a URL with a password: %v", err)
	}
}

func FuzzParams(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		var p, again Params
		if p.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(p.String())); err != nil || !reflect.DeepEqual(p, again) {
			t.Errorf("%q is written %q, which reads as %v: %v", text, p, again, err)
		}
	})
}
