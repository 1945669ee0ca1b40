package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/linefile"
)

// openLog opens a log with the settings, in a folder of the test.
func openLog(t *testing.T, change func(*LogConfig)) (l *Log, console *bytes.Buffer, c *LogConfig) {
	t.Helper()
	c, console = new(LogConfig), new(bytes.Buffer)
	c.SetDefaults()
	c.Dir = filepath.Join(t.TempDir(), "log")
	change(c)
	l, err := c.Open(console)
	if err != nil {
		t.Fatal(err)
	}
	return l, console, c
}

// logged writes one line at each level, and closes the log.
func logged(t *testing.T, change func(*LogConfig)) (console string, c *LogConfig) {
	t.Helper()
	l, out, c := openLog(t, change)
	sayAll(l)
	l.Close()
	return out.String(), c
}

func sayAll(l *Log) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, linefile.LevelNotice, slog.LevelWarn, slog.LevelError, linefile.LevelCritical, linefile.LevelAlert} {
		l.Log(context.Background(), level, "said")
	}
}

// levelsIn are the levels of the lines of a text.
func levelsIn(text string) string {
	var all []string
	for _, word := range strings.Fields(text) {
		if name, ok := strings.CutPrefix(word, "level="); ok {
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

func contents(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLogLevels(t *testing.T) {
	for level, want := range map[string]string{
		"debug":     "debug info notice warning error critical alert",
		"all":       "debug info notice warning error critical alert",
		"info":      "info notice warning error critical alert",
		"notice":    "notice warning error critical alert",
		"warning":   "warning error critical alert",
		"error":     "error critical alert",
		"critical":  "critical alert",
		"alert":     "alert",
		"emergency": "",
	} {
		out, _ := logged(t, func(c *LogConfig) { c.Level = level })
		if got := levelsIn(out); got != want {
			t.Errorf("log.level = %s writes %q, want %q", level, got, want)
		}
	}
}

func TestLogDestinations(t *testing.T) {
	for to, want := range map[string]struct{ console, file bool }{
		"off": {false, false}, "console": {true, false}, "file": {false, true}, "both": {true, true},
	} {
		console, c := logged(t, func(c *LogConfig) { c.To, c.Error = to, "errors" })
		file, _ := os.ReadFile(filepath.Join(c.Dir, c.File))
		errs, _ := os.ReadFile(filepath.Join(c.Dir, c.Error))
		if (console != "") != want.console || (len(file) > 0) != want.file || (len(errs) > 0) != want.file {
			t.Errorf("log.to = %s wrote %d bytes to the console and %d to the files", to, len(console), len(file)+len(errs))
		}
	}
}

func TestLogFilesOfLevels(t *testing.T) {
	_, c := logged(t, func(c *LogConfig) { c.To, c.Level, c.Debug, c.Error, c.Alert = "file", "info", "d", "e", "a" })
	for name, want := range map[string]string{
		"emqx.log": "info notice warning error critical alert",
		"d":        "info notice warning error critical alert", // none logs below the primary level
		"e":        "error critical alert",
		"a":        "alert",
	} {
		if got := levelsIn(contents(t, c.Dir, name)); got != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
}

func TestLogLevelsAtRunTime(t *testing.T) {
	l, console, c := openLog(t, func(c *LogConfig) { c.To, c.Error = "both", "e" })
	f := func(want string) {
		t.Helper()
		primary, all := l.Levels()
		got := primary
		for _, h := range all {
			got += " " + h.ID + "=" + h.Level
			if !h.Started {
				got += "(stopped)"
			}
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	enabled := func(level slog.Level, want bool) {
		t.Helper()
		if got := l.Enabled(context.Background(), level); got != want {
			t.Errorf("level %v is taken: %t, want %t", level, got, want)
		}
	}
	done := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	f("warning console=warning file=warning file_for_error=error")
	done(l.SetLevel("file", "debug"))
	enabled(slog.LevelDebug, false) // the primary level comes first
	l.SetPrimary("all")
	f("debug console=warning file=debug file_for_error=error")
	enabled(slog.LevelDebug, true)
	l.With("client", "c1").WithGroup("g").Debug("one", "k", "v")
	done(l.Switch("file", false))
	f("debug console=warning file=debug(stopped) file_for_error=error")
	enabled(slog.LevelInfo, false)
	l.Warn("two")
	done(l.Switch("file", true))
	l.Debug("three")
	for _, err := range []error{l.SetLevel("none", "debug"), l.Switch("none", true)} {
		if !errors.Is(err, api.ErrNoLogHandler) {
			t.Errorf("of a handler that there isn't: %v", err)
		}
	}
	l.Close()
	file := contents(t, c.Dir, "emqx.log")
	if !strings.Contains(file, "msg=one client=c1 g.k=v") || strings.Contains(file, "two") || !strings.Contains(file, "three") {
		t.Errorf("the file has\n%s", file)
	}
	if text := console.String(); !strings.Contains(text, "two") || strings.Contains(text, "one") {
		t.Errorf("the console has\n%s", text)
	}
}

func TestLogAsJSON(t *testing.T) {
	out, _ := logged(t, func(c *LogConfig) { c.Formatter, c.Level = "json", "alert" })
	var line struct{ Level, Msg string }
	if err := json.Unmarshal([]byte(out), &line); err != nil || line.Level != "alert" || line.Msg != "said" {
		t.Errorf("%s: %+v, %v", out, line, err)
	}
}

// TestLogLongLines of any form, with what a client may have chosen in them.
func TestLogLongLines(t *testing.T) {
	long := strings.Repeat("ä", 100)
	for formatter, want := range map[string]int{"text": 64, "json": 0} {
		l, out, _ := openLog(t, func(c *LogConfig) { c.Formatter, c.CharsLimit = formatter, 64 })
		l.Warn("m", "client", long+"\nlevel=error", "err", errors.New(long))
		l.Close()
		line := strings.TrimSuffix(out.String(), "...\n")
		if formatter == "text" && len([]rune(line)) != want {
			t.Errorf("%d characters, want %d: %q", len([]rune(line)), want, out)
		}
		if strings.Count(out.String(), "\n") != 1 || strings.Contains(out.String(), long) {
			t.Errorf("as %s: %q", formatter, out)
		}
		var fields map[string]string
		if err := json.Unmarshal(out.Bytes(), &fields); formatter == "json" && (err != nil || fields["err"] != long[:128]+"...") {
			t.Errorf("not cut to 64 characters, or no JSON: %v %s", err, out)
		}
	}
}

func TestLogCut(t *testing.T) {
	f := func(line string, characters int, want string) {
		t.Helper()
		if got := string(cut([]byte(line), characters)); got != want {
			t.Errorf("%q cut to %d: %q, want %q", line, characters, got, want)
		}
	}
	f("abc\n", 0, "abc\n")
	f("abc\n", 3, "abc\n")
	f("abc\n", 4, "abc\n")
	f("abc\n", 2, "ab...\n")
	f("äöü\n", 2, "äö...\n")
	f("äöü\n", 3, "äöü\n")
	f("\xff\xfe\xfd\n", 1, "\xff...\n")
	f("\n", 1, "\n")
}

func TestLogThatCantBeWrittenIsASentence(t *testing.T) {
	c := new(LogConfig)
	c.SetDefaults()
	c.To, c.Dir = "file", filepath.Join(t.TempDir(), "file", "log")
	if err := os.WriteFile(filepath.Dir(c.Dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "log.dir = "+c.Dir) {
		t.Errorf("got %v", err)
	}
	c.Dir = t.TempDir()
	c.Error = "taken"
	if err := os.Mkdir(filepath.Join(c.Dir, c.Error), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "log.error.file = ") {
		t.Errorf("got %v", err)
	}
}

func TestLogConfig(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "emqx.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		switch _, _, err := LoadConfig(file, nil); {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	f("log.size = infinity\nlog.rotation = off", "")
	f("log.size = 10MB\nlog.chars_limit = -1", "")
	f("log.size = 0", "expected infinity, or a size")
	f("log.size = much", "expected infinity, or a size")
	f("log.chars_limit = -2", "log.chars_limit")
	f("log.info.file = info.log\nlog.error.file = error.log", "")
	f("log.info.file = emqx.log", "also that of log.file")
	f("log.info.file = x\nlog.error.file = ./x", "also that of log.info.file")
	f("log.formatter.text.date.format = %Y-%m-%d %H:%M:%S.%3N", "")
	f("log.formatter.text.date.format = %Q", "expected rfc3339 or a form")
}

func TestSizeOrNoneAsText(t *testing.T) {
	for text, want := range map[string]sizeOrNone{"infinity": 0, "64KB": sizeOrNone(64 * config.KB)} {
		var s sizeOrNone
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want || s.String() != text {
			t.Errorf("%s: %d, %v, %s", text, s, err, s)
		}
	}
}
