package dashboard

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

var script = strings.Repeat("console.log('a line that repeats')\n", 50)

func newTestHandler() *handler {
	return newHandler(fstest.MapFS{
		"index.html":        {Data: []byte("<!doctype html><title>the page</title>")},
		"licenses.md":       {Data: []byte("# Licenses")},
		"assets/main-X1.js": {Data: []byte(script)},
		"assets/i-X2.svg":   {Data: []byte("<svg/>")},
	})
}

// ask returns the answer to a request with headers given as "Name: value".
func ask(h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for _, one := range headers {
		name, value, _ := strings.Cut(one, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	h := newTestHandler()
	f := func(method, target string, status int, contentType, cache, body string) {
		t.Helper()
		w := ask(h, method, target)
		if w.Code != status || w.Header().Get("Content-Type") != contentType || w.Header().Get("Cache-Control") != cache {
			t.Errorf("%s %s: %d %v", method, target, w.Code, w.Header())
		}
		if w.Body.String() != body {
			t.Errorf("%s %s: %s, want %s", method, target, w.Body, body)
		}
	}
	const forever, checked, never = "public, max-age=31536000, immutable", "no-cache", "no-store"
	const html, text = "text/html; charset=utf-8", "text/plain; charset=utf-8"
	page := "<!doctype html><title>the page</title>"
	f("GET", "/index.html", 200, html, checked, page)
	f("HEAD", "/index.html", 200, html, checked, "")
	f("GET", "/licenses.md", 200, "text/markdown; charset=utf-8", checked, "# Licenses")
	f("GET", "/assets/main-X1.js", 200, "text/javascript; charset=utf-8", forever, script)
	f("GET", "/assets/i-X2.svg", 200, "image/svg+xml", forever, "<svg/>")

	// The app has pages at paths of its own; what isn't one is missing.
	f("GET", "/", 200, html, checked, page)
	f("GET", "/clients/a%2Fb", 200, html, checked, page)
	f("HEAD", "/clients", 200, html, checked, "")
	f("GET", "/favicon.ico", 404, text, never, "There is no such file.\n")
	f("GET", "/assets/main-X0.js", 404, text, never, "There is no such file.\n")
	f("GET", "/assets/", 404, text, never, "There is no such file.\n")
	f("GET", "/../handler.go", 404, text, never, "There is no such file.\n")
	f("GET", "/%2e%2e/handler.go", 404, text, never, "There is no such file.\n")

	f("POST", "/", 405, text, "", "The dashboard's files can only be read.\n")
	f("DELETE", "/assets/main-X1.js", 405, text, "", "The dashboard's files can only be read.\n")
}

// TestNavigation: what a browser wants to show gets the page, what a page wants
// to load doesn't.
func TestNavigation(t *testing.T) {
	h := newTestHandler()
	f := func(target string, status int, headers ...string) {
		t.Helper()
		if w := ask(h, "GET", target, headers...); w.Code != status {
			t.Errorf("%s %v: %d, want %d", target, headers, w.Code, status)
		}
	}
	f("/clients/10.0.0.1", 200, "Sec-Fetch-Mode: navigate")
	f("/clients/10.0.0.1", 200, "Accept: text/html,*/*;q=0.8")
	f("/clients/10.0.0.1", 404, "Accept: */*")
	f("/clients", 404, "Sec-Fetch-Mode: cors")
	f("/picture.png", 404, "Sec-Fetch-Mode: no-cors", "Accept: text/html")
	f("/assets/gone.js", 404, "Sec-Fetch-Mode: navigate")
}

func TestHeadersThatProtect(t *testing.T) {
	h := newTestHandler()
	for _, target := range []string{"/", "/assets/main-X1.js", "/missing.png"} {
		got := ask(h, "GET", target).Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Content-Security-Policy": policy,
		} {
			if got.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got.Get(name), want)
			}
		}
	}
	if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("the policy allows what the app doesn't need: %s", policy)
	}
}

func TestCompression(t *testing.T) {
	h := newTestHandler()
	f := func(accept string, zipped bool) {
		t.Helper()
		w := ask(h, "GET", "/assets/main-X1.js", "Accept-Encoding: "+accept)
		body := w.Body.Bytes()
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != zipped {
			t.Fatalf("%s: %v", accept, w.Header())
		}
		if zipped {
			if len(body) >= len(script) {
				t.Errorf("%s: %d bytes instead of %d", accept, len(body), len(script))
			}
			body = unzip(t, body)
		}
		if string(body) != script || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %s %v", accept, body, w.Header())
		}
	}
	f("gzip", true)
	f("gzip, deflate, br, zstd", true)
	f("br;q=1, GZip;q=0.2", true)
	f("*", true)
	f("br, *;q=0.1", true)
	f("", false)
	f("br", false)
	f("gzip;q=0", false)
	f("gzip;q=0.0, *", false)
	f("*;q=0", false)
	f("gzip;q=much", false)
	if w := ask(h, "GET", "/assets/i-X2.svg", "Accept-Encoding: gzip"); w.Header().Get("Content-Encoding") != "" {
		t.Error("what gzip makes larger is sent by gzip")
	}
}

func unzip(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestNotModified(t *testing.T) {
	h := newTestHandler()
	plain := ask(h, "GET", "/").Header().Get("ETag")
	zipped := ask(h, "GET", "/assets/main-X1.js", "Accept-Encoding: gzip").Header().Get("ETag")
	if plain == "" || zipped == "" || zipped == ask(h, "GET", "/assets/main-X1.js").Header().Get("ETag") {
		t.Errorf("the tags are %s and %s", plain, zipped)
	}
	f := func(target, tag string, status int, headers ...string) {
		t.Helper()
		w := ask(h, "GET", target, append(headers, "If-None-Match: "+tag)...)
		if w.Code != status || (status == 304) != (w.Body.Len() == 0) {
			t.Errorf("%s %s: %d with %d bytes", target, tag, w.Code, w.Body.Len())
		}
	}
	f("/", plain, 304)
	f("/clients", plain, 304)
	f("/", "W/"+plain, 304)
	f("/", `"other", `+plain, 304)
	f("/", "*", 304)
	f("/", `"other"`, 200)
	f("/", "", 200)
	f("/assets/main-X1.js", zipped, 304, "Accept-Encoding: gzip")
	f("/assets/main-X1.js", zipped, 200)
}

var loads = regexp.MustCompile(`(?:src|href)="([^"]+)"`)

// TestBuilt is about what is embedded: the page and what it loads are there,
// nothing in it is against the policy, and all of it stays small.
func TestBuilt(t *testing.T) {
	h := Handler().(*handler)
	page := string(h.page.content)
	if strings.Contains(page, "<style") || regexp.MustCompile(`<script(?: [^>]*)?>[^<]`).MatchString(page) || strings.Contains(page, " style=") {
		t.Errorf("the page has what its policy forbids:\n%s", page)
	}
	for _, m := range loads.FindAllStringSubmatch(page, -1) {
		if w := ask(h, "GET", m[1]); w.Code != 200 || !strings.HasPrefix(m[1], "/"+hashedFolder) {
			t.Errorf("the page loads %s: %d", m[1], w.Code)
		}
	}
	total := 0
	for name, a := range h.assets {
		if path.Ext(name) == ".map" {
			t.Errorf("%s: source maps are not shipped", name)
		}
		if z := a.zipped(); z != nil {
			total += len(z)
		} else {
			total += len(a.content)
		}
	}
	const most = 300 << 10
	if total > most {
		t.Errorf("the app takes %d bytes compressed, at most %d are wanted", total, most)
	}
}

func TestUnknownType(t *testing.T) {
	if _, err := newAsset("a.xyz", nil); err == nil || !strings.Contains(err.Error(), "a.xyz") {
		t.Errorf("the error is %v", err)
	}
}
