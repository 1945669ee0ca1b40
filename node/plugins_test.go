package node

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLoadedFile(t *testing.T) {
	read := func(text string, want ...string) {
		t.Helper()
		got, err := readLoaded("plugins.loaded_file", write(t, text), nil)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	read("")
	read("{emqx_auth_mysql, true}.\n{emqx_recon,false}.\n", "emqx_auth_mysql")
	read("emqx_auth_http.\nemqx_auth_jwt.\n", "emqx_auth_http", "emqx_auth_jwt")
	read("%% what is on\n{ emqx_auth_jwt , true } . % this one\n", "emqx_auth_jwt")
	read("{emqx_management, true}. {emqx_dashboard, true}.", "emqx_management", "emqx_dashboard")

	refused := func(text, what string) {
		t.Helper()
		_, err := readLoaded("plugins.loaded_file", write(t, text), nil)
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%q: %v, want %q in it", text, err, what)
		}
	}
	refused("{emqx_auth_mysql, yes}.", "loaded:1: expected {name, true}")
	refused("emqx_auth_http.\n\n[emqx].", "loaded:3:")
}

func TestLoadedFileThatIsNotThere(t *testing.T) {
	got, err := readLoaded("modules.loaded_file", filepath.Join(t.TempDir(), "none"), names{"x"})
	if err != nil || !slices.Equal(got, names{"x"}) {
		t.Error(got, err)
	}
}

func TestNamesOfTheEnvironment(t *testing.T) {
	read := func(text string, want ...string) {
		t.Helper()
		var n names
		if err := n.UnmarshalText([]byte(text)); err != nil || n == nil || !slices.Equal(n, want) {
			t.Errorf("%q: %v, %v", text, n, err)
		}
	}
	read("")
	read("emqx_auth_http,emqx_auth_jwt", "emqx_auth_http", "emqx_auth_jwt")
	read("emqx_auth_http emqx_auth_jwt;", "emqx_auth_http", "emqx_auth_jwt")
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "loaded")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCheck: what the start would find wrong about access is found without one.
func TestCheck(t *testing.T) {
	finds := func(text string, want ...string) {
		t.Helper()
		c, _, err := load(t, text)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Check()
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%q: found %v, want %q", text, err, w)
			}
		}
		if want == nil && err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	finds("")
	finds("acl_file = none.conf\n", "acl_file: ", "none.conf")
	finds("auth.jwt.enable = on\n", "auth.jwt.secret: ")
	finds("auth.jwt.enable = on\nauth.jwt.secret = 0123456789abcdef0123456789abcdef\n")
	finds("auth.http.enable = on\n", "auth.http.auth_req")
	finds("loaded_plugins = emqx_auth_http\n", "auth.http.auth_req")
	finds("psk.file.enable = on\npsk.file.path = none.txt\n", "psk.file.path: ", "none.txt")
	finds("acl_file = none.conf\nloaded_modules = emqx_mod_presence\n")
}
