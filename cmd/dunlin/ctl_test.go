package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/auth/builtin"
	"github.com/dunlin-mq/dunlin/auth/scram"
	"github.com/dunlin-mq/dunlin/backup"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/trace"
)

// managed is a node as the command line sees it: the interface over its
// socket, with what it manages, and no broker.
type managed struct {
	dataDir string
	cache   auth.Cache // of the client c1
	reload  error
}

func (m *managed) ACLCache(clientID string) *auth.Cache {
	if clientID == "c1" {
		return &m.cache
	}
	return nil
}

func startManaged(t *testing.T, change ...func(*api.Options)) *managed {
	t.Helper()
	m := &managed{dataDir: t.TempDir()}
	var access auth.Config
	access.SetDefaults()
	control := auth.New(auth.Options{Config: access})
	t.Cleanup(control.Close)
	passwords := auth.NewPasswords()
	var config builtin.Config
	config.SetDefaults()
	if err := config.PasswordHash.UnmarshalText([]byte("sha256")); err != nil { // bcrypt takes its time
		t.Fatal(err)
	}
	config.UserHash, config.ClientHash = config.PasswordHash, config.PasswordHash
	users, err := builtin.New(context.Background(), builtin.Options{Config: config, Passwords: passwords})
	if err != nil {
		t.Fatal(err)
	}
	alarms, err := alarm.New(alarm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	alarms.Activate(alarm.HighCPU, "85.2% cpu usage", nil)
	alarms.Activate("resource/auth/mysql/down", "Resource auth(mysql) is down", alarm.Details{"error": "refused"})
	scrams, err := scram.NewAccounts(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	traces, err := trace.New(trace.Options{Dir: filepath.Join(m.dataDir, "trace"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := traces.Close(); err != nil {
			t.Error(err)
		}
	})
	o := api.Options{
		Node: "dunlin@127.0.0.1", Version: "1.2.3", DataDir: m.dataDir, Passwords: passwords,
		Accounts: users, Rules: users, Bans: control.Bans(), Caches: m, Drainer: control, Scram: scrams, Alarms: alarms,
		ReloadACL: func() error { return m.reload }, Logs: openTestLog(t), Traces: traces,
		Backup: &backup.Target{Accounts: users, Rules: users, Bans: control.Bans()}, Exports: backup.Folder(filepath.Join(m.dataDir, "backup")),
	}
	o.Config.SetDefaults()
	o.Config.HTTP.Addresses = nil
	for _, change := range change {
		change(&o)
	}
	s, err := api.New(o)
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return m
}

// ctl runs a command line in this process.
func ctl(dataDir, stdin string, args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	c := command()
	c.SetArgs(append([]string{"ctl", "--data-dir", dataDir}, args...))
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(&out)
	c.SetErr(&errOut)
	err = c.Execute()
	return out.String(), errOut.String(), err
}

// TestCtl runs the sessions in testdata/ctl, each against a node of its own: a
// line "$ arguments" is a command; < gives it a line of input. Below it stands
// what it prints, with "..." for anything, also for many lines, and "(exit 1)"
// if it fails.
func TestCtl(t *testing.T) {
	files, err := filepath.Glob("testdata/ctl/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no sessions", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runSession(t, startManaged(t), string(text))
		})
	}
}

func runSession(t *testing.T, m *managed, text string) {
	for _, step := range regexp.MustCompile(`(?m)^\$ `).Split(text, -1)[1:] {
		line, want, _ := strings.Cut(step, "\n")
		arguments, input, _ := strings.Cut(line, " < ")
		var args []string
		for _, a := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(arguments, -1) {
			args = append(args, strings.Trim(a, "'"))
		}
		stdout, stderr, err := ctl(m.dataDir, input, args...)
		got := stdout + stderr
		if err != nil {
			got += "(exit 1)\n"
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(want), "\n\\.\\.\\.\n", "\n(?:.*\n)*")
		pattern = strings.ReplaceAll(pattern, `\.\.\.`, ".*")
		if !regexp.MustCompile(`^` + pattern + `$`).MatchString(got) {
			t.Errorf("ctl %s\ngot:\n%swant:\n%s", line, got, want)
		}
	}
}

func TestCtlWithoutABroker(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DUNLIN_CONFIG", "")
	for _, args := range [][]string{{"status"}, {"users", "list"}, {"acl", "reload"}, {"--json", "status"}} {
		stdout, stderr, err := ctl(dir, "", args...)
		if want := "Node 'dunlin@127.0.0.1' not responding to pings.\n"; stdout != "" || stderr != want || err == nil {
			t.Errorf("%v: %q %q %v, want %q", args, stdout, stderr, err, want)
		}
	}
}

// TestCtlFindsTheBroker by the configuration that the broker was started with.
func TestCtlFindsTheBroker(t *testing.T) {
	m := startManaged(t)
	file := filepath.Join(t.TempDir(), "emqx.conf")
	if err := os.WriteFile(file, []byte("node.data_dir = "+m.dataDir+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(args ...string) {
		t.Helper()
		var out bytes.Buffer
		c := command()
		c.SetArgs(append([]string{"ctl", "status"}, args...))
		c.SetOut(&out)
		c.SetErr(&out)
		if err := c.Execute(); err != nil || out.String() != "Node 'dunlin@127.0.0.1' 1.2.3 is started\n" {
			t.Errorf("%v: %v %q", args, err, out.String())
		}
	}
	f("--config", file)
	f("-c", file)
	f("--data-dir", m.dataDir)
	t.Setenv("DUNLIN_CONFIG", file)
	f()
	t.Setenv("DUNLIN_CONFIG", "")
	t.Setenv("DUNLIN_NODE__DATA_DIR", m.dataDir)
	f()
}

func TestCtlNamesWhatIsWrongInTheConfiguration(t *testing.T) {
	t.Setenv("DUNLIN_CONFIG", filepath.Join(t.TempDir(), "none.conf"))
	var errOut bytes.Buffer
	c := command()
	c.SetArgs([]string{"ctl", "status"})
	c.SetErr(&errOut)
	if err := c.Execute(); err == nil || !strings.Contains(errOut.String(), "none.conf") {
		t.Errorf("%v, printed %q", err, &errOut)
	}
}

func TestCtlOfWhatIsSwitchedOff(t *testing.T) {
	m := startManaged(t, func(o *api.Options) { o.Accounts, o.Scram, o.ReloadACL = nil, nil, nil })
	f := func(args ...string) {
		t.Helper()
		stdout, stderr, err := ctl(m.dataDir, "", args...)
		if want := "this is switched off in the configuration of node dunlin@127.0.0.1"; !strings.Contains(stdout, want) || stderr != "" || err == nil {
			t.Errorf("%v: %q %q %v", args, stdout, stderr, err)
		}
	}
	f("users", "list")
	f("users", "add", "u", "p")
	f("sasl", "scram", "lookup", "u")
	f("acl", "reload")
	f("--json", "clientid", "list")
}

func TestCtlReloadSaysWhy(t *testing.T) {
	m := startManaged(t)
	m.reload = errors.New("acl.conf:3:7: expected a rule")
	stdout, _, err := ctl(m.dataDir, "", "acl", "reload")
	if stdout != "Error: acl.conf:3:7: expected a rule\n" || err == nil {
		t.Errorf("%q %v", stdout, err)
	}
}

func TestCtlCleansACache(t *testing.T) {
	m := startManaged(t)
	control := auth.New(auth.Options{Config: auth.Config{EnableACLCache: true, ACLCacheMaxSize: 9, ACLCacheTTL: time.Minute}})
	defer control.Close()
	control.Use(auth.Provider{Name: "http", Authorizer: yes{}, Backend: &auth.Backend{Pool: 1, Timeout: time.Second, MaxWaiting: 1, OnError: "deny"}})
	answered := make(chan struct{})
	who := &auth.Client{ClientID: "c1", Peer: netip.MustParseAddrPort("192.0.2.1:1")}
	control.AuthorizeLater(&auth.Policy{EnableACL: true}, &auth.Request{Client: who, Topic: "t"}, &m.cache, func(mqtt.ReasonCode) { close(answered) })
	<-answered
	if len(m.cache.Entries()) != 1 {
		t.Fatal("the cache is empty to begin with")
	}
	if stdout, _, err := ctl(m.dataDir, "", "acl", "cache-clean", "c1"); stdout != "" || err != nil {
		t.Errorf("%q %v", stdout, err)
	}
	if left := m.cache.Entries(); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
}

type yes struct{}

func (yes) Authorize(context.Context, *auth.Request) (auth.Answer, error) {
	return auth.Answer{Verdict: auth.Allow}, nil
}

// TestCtlListsAllPages of a list that is longer than one answer.
func TestCtlListsAllPages(t *testing.T) {
	var bans *auth.Bans
	m := startManaged(t, func(o *api.Options) { bans = o.Bans.(*auth.Bans) })
	const many = rowsPerPage + 5
	for i := range many {
		if err := bans.Add(auth.Ban{Kind: auth.BanClientID, Who: fmt.Sprint("c", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if out, _, err := ctl(m.dataDir, "", "banned", "list"); strings.Count(out, "\n") != many || err != nil {
		t.Errorf("%d lines, want %d; %v", strings.Count(out, "\n"), many, err)
	}
	out, _, err := ctl(m.dataDir, "", "--json", "banned", "list")
	var answer struct {
		Code int
		Data []map[string]any
	}
	if json.Unmarshal([]byte(out), &answer) != nil || len(answer.Data) != many || err != nil {
		t.Errorf("as JSON: %d, want %d; %v", len(answer.Data), many, err)
	}
}
