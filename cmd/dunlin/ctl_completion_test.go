package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCompletion asks as a shell does, of a broker that has these answers.
func TestCompletion(t *testing.T) {
	dir := startAnswering(t, completionAnswers)
	f := func(want string, args ...string) {
		t.Helper()
		stdout, _, err := ctlComplete(dir, args...)
		words, _, _ := strings.Cut("\n"+stdout, "\n:") // and then what the shell may add
		if got := strings.Join(strings.Fields(words), " "); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", args, got, err, want)
		}
	}
	f("lamp lantern", "clients", "show", "la")
	f("lamp lantern other", "clients", "kick", "")
	f("", "clients", "show", "lamp", "")
	f("mqtt:tcp:external mqtt:ws:external", "listeners", "restart", "mqtt")
	f("home/1 home/#", "routes", "show", "home")
	f("clientid username _all", "acl", "list", "")
	f("all node lamp lantern other", "acl", "cache-clean", "")
	f("emqx_retainer", "plugins", "reload", "emqx_r")
	f("dunlin@127.0.0.1", "pem_cache", "clean", "node", "")
	f("status data", "telemetry", "get", "")
}

const completionAnswers = `GET /api/v4/clients => {"code":0,"data":[{"clientid":"lamp"},{"clientid":"lantern"},{"clientid":"other"}]}
GET /api/v4/routes => {"code":0,"data":[{"topic":"home/1"},{"topic":"home/#"},{"topic":"office"}]}
GET /api/v4/listeners => {"code":0,"data":[{"listeners":[{"identifier":"mqtt:tcp:external"},{"identifier":"mqtt:ws:external"},{"identifier":"http:management:8081"}]}]}
GET /api/v4/plugins => {"code":0,"data":[{"plugins":[{"name":"emqx_retainer"},{"name":"emqx_sasl"}]}]}
GET /api/v4/brokers => {"code":0,"data":[{"node":"dunlin@127.0.0.1"}]}
`

// ctlComplete asks for what may follow args.
func ctlComplete(dataDir string, args ...string) (stdout, stderr string, err error) {
	var out, errOut strings.Builder
	c := command()
	c.SetArgs(append([]string{"__complete", "ctl", "--data-dir", dataDir}, args...))
	c.SetOut(&out)
	c.SetErr(&errOut)
	err = c.Execute()
	return out.String(), errOut.String(), err
}

// TestCompletionWithoutABroker says nothing, at once.
func TestCompletionWithoutABroker(t *testing.T) {
	start := time.Now()
	stdout, _, err := ctlComplete(t.TempDir(), "clients", "show", "")
	if !strings.HasPrefix(stdout, ":") || err != nil {
		t.Errorf("%q, %v", stdout, err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

// TestCompletionInBash has a real bash complete command lines, for the program
// under each of its names.
func TestCompletionInBash(t *testing.T) {
	const library = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(library); err != nil {
		if promised {
			t.Fatalf("%v, and DUNLIN_REQUIRE_PEERS=1", err)
		}
		t.Skipf("%v: run scripts/setup-debian.sh", err)
	}
	dir := startAnswering(t, completionAnswers)
	bin := t.TempDir()
	for _, name := range []string{"dunlin", "emqx", "emqx_ctl"} {
		if err := os.Symlink(program, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	// What bash itself does when Tab is pressed, but for the terminal.
	const script = `. "$1"; . <("$2" completion bash); shift
complete -p "$1" >/dev/null || exit 2
COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9; COMP_KEY=9
function=$(complete -p "$1" | sed 's/.*-F \([^ ]*\).*/\1/')
$function "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"`
	f := func(want string, line ...string) {
		t.Helper()
		c := exec.Command("bash", append([]string{"--norc", "--noprofile", "-c", script, "bash", library}, line...)...)
		c.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "DUNLIN_NODE__DATA_DIR=" + dir, "HOME=" + dir}
		text, err := c.Output() // beside it bash says that nobody has pressed Tab
		if got := strings.Join(strings.Fields(string(text)), " "); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}
	f("lamp lantern", "dunlin", "ctl", "clients", "show", "la")
	f("kick", "dunlin", "ctl", "clients", "k")
	f("lamp lantern", "emqx_ctl", "clients", "show", "la")
	f("retainer", "emqx_ctl", "ret")
	f("lantern", "emqx", "ctl", "clients", "kick", "lan")
	f("start", "emqx", "sta")
}
