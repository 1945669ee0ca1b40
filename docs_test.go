package dunlin_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/internal/build"
)

// The pages for users are executed as they stand. A page is one shell session in a network namespace of its own, so the
// ports in the text are the real ones. A block whose info string is
//
//	console test             is run command by command, and each must print what stands below it;
//	console test background  is left running, and must have printed what stands below it, if anything, when the page ends;
//	ini                      is a configuration that `dunlin check-config` must accept.
//
// In a console block "$ " begins a command and "> " continues it; "..." in the output stands for anything. The session
// starts in an empty folder, and `go run ./cmd/dunlin` there means the binary built from this module. A configuration is
// there as page.conf, so that the next command can use it.
//
// A comment `<!-- new session -->` ends the session and begins another. With `<!-- new session, with mysql -->` there
// is a server of that name at its usual port, see TestDocsServer.

// docsTools are the commands that pages use, and what makes the namespace.
var docsTools = []string{"unshare", "ip", "mosquitto_pub", "mosquitto_sub", "curl", "prometheus", "promtool"}

const (
	// docsDeadline bounds one command, and the wait for what a background command has to print.
	docsDeadline = time.Minute
	// docsSettle is how long a background command that prints nothing is given to begin, for example to subscribe.
	docsSettle = 2 * time.Second
)

func TestDocs(t *testing.T) {
	requireTools(t, docsTools...)
	bin := t.TempDir()
	if _, err := build.Program(bin); err != nil {
		t.Fatal(err)
	}
	for _, name := range docPages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range sessions(string(page)) {
				t.Run(one.server, func(t *testing.T) { one.execute(t, bin) })
			}
		})
	}
}

// session is the part of a page that one shell executes.
type session struct {
	server string // what has to run beside it; empty: nothing
	text   string
}

var newSession = regexp.MustCompile(`(?m)^<!-- new session(?:, with ([a-z0-9]+))? -->\n`)

func sessions(page string) (all []session) {
	one, from := session{}, 0
	for _, at := range newSession.FindAllStringSubmatchIndex(page, -1) {
		one.text = page[from:at[0]]
		all = append(all, one)
		one, from = session{}, at[1]
		if at[2] >= 0 {
			one.server = page[at[2]:at[3]]
		}
	}
	one.text = page[from:]
	return append(all, one)
}

func (s session) execute(t *testing.T, bin string) {
	sh := newShell(t, bin)
	if s.server != "" {
		sh.serve(s.server)
	}
	for _, b := range blocks(s.text) {
		sh.run(b)
	}
	sh.checkBackground()
}

// TestDocLinks follows every relative link and demands that the index leads to every page.
func TestDocLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	linked := map[string]bool{}
	pages := append(docPages(t), "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
	for _, name := range pages {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := filepath.Join(filepath.Dir(name), m[1])
			if !exists(target) {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
			}
			if name == "docs/index.md" {
				linked[target] = true
			}
		}
	}
	for _, name := range pages {
		if strings.HasPrefix(name, "docs/") && name != "docs/index.md" && !linked[name] {
			t.Errorf("docs/index.md does not link to %s", name)
		}
	}
}

func TestDocsParser(t *testing.T) {
	page := "text\n```console test\n$ a\n1\n2\n$ b \\\n> c\n```\n```sh\n$ no\n```\n```console test background\n$ d\n...\n```\n" +
		"```ini\nk = v\n```\n"
	got := fmt.Sprintf("%q", blocks(page))
	want := fmt.Sprintf("%q", []block{
		{info: "console test", steps: []step{{"a", "1\n2\n"}, {"b \\\nc", ""}}},
		{info: "console test background", steps: []step{{"d", "...\n"}}},
		{info: "ini", text: "k = v\n"},
	})
	if got != want {
		t.Errorf("blocks:\n got %s\nwant %s", got, want)
	}

	got = fmt.Sprintf("%q", sessions("a\n<!-- new session -->\nb\n<!-- new session, with mysql -->\nc\n"))
	if want := fmt.Sprintf("%q", []session{{"", "a\n"}, {"", "b\n"}, {"mysql", "c\n"}}); got != want {
		t.Errorf("sessions:\n got %s\nwant %s", got, want)
	}

	match := func(want, got string, ok bool) {
		t.Helper()
		if outputMatches(want, got) != ok {
			t.Errorf("expected %q, printed %q: want match %v", want, got, ok)
		}
	}
	match("", "", true)
	match("", "x\n", false)
	match("hi\n", "hi\n", true)
	match("a (.*)\n", "a b\n", false)
	match("pid ...\n", "pid 17\n", true)
	match("pid ...\nend\n", "pid 17\nother\nend\n", false)
	match("begin\n...\nend\n", "begin\n1\n2\nend\n", true)
	match("begin\n...\n", "begin\n", true)
	match("begin\n...\n", "never\n", false)
}

// requireTools skips the test when a command is missing, and fails it where every peer is promised.
func requireTools(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil && runtime.GOOS == "linux" {
			continue
		}
		if os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" {
			t.Fatalf("%s is needed and DUNLIN_REQUIRE_PEERS=1: run scripts/setup-debian.sh on Linux", tool)
		}
		t.Skipf("%s is needed, on Linux: run scripts/setup-debian.sh", tool)
	}
}

func docPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("docs/*.md: %d pages, %v", len(pages), err)
	}
	return append(pages, "README.md")
}

// block is a fenced block that is to be checked: steps of a console block, text of a configuration.
type block struct {
	info  string
	steps []step
	text  string
}

type step struct{ command, output string }

func blocks(page string) (found []block) {
	var b *block
	for line := range strings.Lines(page) {
		info, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && b == nil:
			b = &block{info: info}
		case fence:
			if strings.HasPrefix(b.info, "console test") || b.info == "ini" {
				found = append(found, *b)
			}
			b = nil
		case b != nil:
			b.add(line)
		}
	}
	return found
}

func (b *block) add(line string) {
	if b.info == "ini" {
		b.text += line
		return
	}
	last := len(b.steps) - 1
	if line == ">\n" { // an empty line of a command
		line = "> \n"
	}
	if command, is := strings.CutPrefix(line, "$ "); is {
		b.steps = append(b.steps, step{command: strings.TrimSuffix(command, "\n")})
	} else if more, is := strings.CutPrefix(line, "> "); is && last >= 0 {
		b.steps[last].command += "\n" + strings.TrimSuffix(more, "\n")
	} else if last >= 0 {
		b.steps[last].output += line
	}
}

// outputMatches reports whether got is what the page shows.
func outputMatches(want, got string) bool {
	pattern := regexp.QuoteMeta("\n" + want)
	pattern = strings.ReplaceAll(pattern, "\n"+regexp.QuoteMeta("...")+"\n", "(?s:\n.*)")
	pattern = strings.ReplaceAll(pattern, regexp.QuoteMeta("..."), ".*")
	return regexp.MustCompile(`\A` + pattern + `\z`).MatchString("\n" + got)
}

// shell is the session in which one page is executed.
type shell struct {
	t          *testing.T
	dir        string // its current folder at the start, and where background commands leave their output
	tmp        string // for servers, which run as other users
	in         io.Writer
	out        *bufio.Reader
	background []running
}

type running struct {
	step
	log string
}

func newShell(t *testing.T, bin string) *shell {
	t.Helper()
	args := []string{"--net", "--pid", "--fork", "--kill-child"}
	if os.Getuid() != 0 {
		args = append(args, "--map-root-user")
	}
	cmd := exec.CommandContext(t.Context(), "unshare", append(args, "bash", "--norc")...)
	s := &shell{t: t, dir: t.TempDir()}
	s.tmp = publicDir(t)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + s.dir, "LANG=C"} // nothing of the developer's own settings
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context ended: unshare is killed, and everything in its namespace with it
	s.in, s.out = in, bufio.NewReader(out)
	s.foreground(step{"ip link set lo up", ""})
	return s
}

// publicDir is a folder that other users may enter.
func publicDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "docs") //nolint:usetesting // t.TempDir is closed to other users
	if err == nil {
		err = os.Chmod(dir, 0o755) //nolint:gosec // that is the point
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (s *shell) run(b block) {
	s.t.Helper()
	switch {
	case b.info == "ini":
		name := filepath.Join(s.dir, "page.conf")
		if err := os.WriteFile(name, []byte(b.text), 0o600); err != nil {
			s.t.Fatal(err)
		}
		s.foreground(step{"dunlin check-config --config " + name + " >" + name + ".out 2>&1 || cat " + name + ".out", ""})
	case strings.HasSuffix(b.info, " background"):
		for _, st := range b.steps {
			s.start(st)
		}
	default:
		for _, st := range b.steps {
			s.foreground(st)
		}
	}
}

// endOfStep is what the shell prints after each command.
const endOfStep = "--- end of step ---"

func (s *shell) foreground(st step) {
	s.t.Helper()
	got := make(chan string, 1)
	go func() {
		var printed strings.Builder
		for {
			line, err := s.out.ReadString('\n')
			if err != nil || line == endOfStep+"\n" {
				got <- printed.String()
				return
			}
			printed.WriteString(line)
		}
	}()
	s.send("{ %s\n} 2>&1 </dev/null; echo '%s'\n", st.command, endOfStep)
	select {
	case printed := <-got:
		if !outputMatches(st.output, printed) {
			s.t.Errorf("$ %s\nprinted:\n%s\nthe page says:\n%s", st.command, printed, st.output)
		}
	case <-time.After(docsDeadline):
		s.t.Fatalf("$ %s\nis still running after %v", st.command, docsDeadline)
	}
}

// start leaves a command running and waits until it has begun.
func (s *shell) start(st step) {
	s.t.Helper()
	r := running{st, filepath.Join(s.dir, fmt.Sprintf("background%d.log", len(s.background)))}
	s.background = append(s.background, r)
	s.send("{ %s\n} >%s 2>&1 </dev/null &\n", st.command, r.log)
	begun, patience := st.begun()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if begun(r.printed()) {
			return
		}
	}
}

var runsBroker = regexp.MustCompile(`(^|[ /])dunlin( (--config|-c) \S+)?$`)

// begun tells by what a background command has printed that it has begun, and how long to wait for that. A broker says so
// itself; others print the first line that the page shows, or, as subscribers do, nothing before they are needed.
func (st step) begun() (by func(printed string) bool, patience time.Duration) {
	if runsBroker.MatchString(st.command) {
		return func(printed string) bool {
			return strings.Contains(printed, "is running now!") || strings.Contains(printed, "can't start")
		}, docsDeadline
	}
	first, _, _ := strings.Cut(st.output, "\n")
	return func(printed string) bool { return first != "" && outputMatches(first+"\n...\n", printed) }, docsSettle
}

// checkBackground waits until each background command has printed what the page shows.
func (s *shell) checkBackground() {
	s.t.Helper()
	end := time.Now().Add(docsDeadline)
	for _, r := range s.background {
		for r.output != "" && !outputMatches(r.output, r.printed()) {
			if time.Now().After(end) {
				s.t.Errorf("$ %s\nprinted:\n%s\nthe page says:\n%s", r.command, r.printed(), r.output)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (s *shell) send(format string, args ...any) {
	s.t.Helper()
	line := strings.ReplaceAll(fmt.Sprintf(format, args...), "go run ./cmd/dunlin", "dunlin")
	if _, err := io.WriteString(s.in, line); err != nil {
		s.t.Fatal(err)
	}
}

func (r running) printed() string {
	log, err := os.ReadFile(r.log)
	if err != nil {
		return "" // not begun yet
	}
	return string(log)
}
