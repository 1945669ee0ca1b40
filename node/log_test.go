package node

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// logged opens a log with the settings and writes one line at each level.
func logged(t *testing.T, change func(*LogConfig)) (console string, c *LogConfig) {
	t.Helper()
	c = new(LogConfig)
	c.SetDefaults()
	c.Dir = filepath.Join(t.TempDir(), "log")
	change(c)
	var out bytes.Buffer
	log, shut, err := c.Open(&out)
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, levelNotice, slog.LevelWarn, slog.LevelError, levelCritical, levelAlert} {
		log.Log(context.Background(), level, "said")
	}
	shut()
	return out.String(), c
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
		var got []string
		for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
			for _, word := range strings.Fields(line) {
				if name, ok := strings.CutPrefix(word, "level="); ok {
					got = append(got, name)
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("log.level = %s writes %q, want %q", level, strings.Join(got, " "), want)
		}
	}
}

func TestLogDestinations(t *testing.T) {
	for to, want := range map[string]struct{ console, file bool }{
		"off": {false, false}, "console": {true, false}, "file": {false, true}, "both": {true, true},
	} {
		console, c := logged(t, func(c *LogConfig) { c.To = to })
		file, _ := os.ReadFile(filepath.Join(c.Dir, c.File))
		if (console != "") != want.console || (len(file) > 0) != want.file {
			t.Errorf("log.to = %s wrote %d bytes to the console and %d to the file", to, len(console), len(file))
		}
	}
}

func TestLogWithoutRotation(t *testing.T) {
	_, c := logged(t, func(c *LogConfig) { c.To, c.Rotation = "file", false })
	if file, err := os.ReadFile(filepath.Join(c.Dir, c.File)); err != nil || len(file) == 0 {
		t.Errorf("%d bytes, %v", len(file), err)
	}
}

func TestLogAsJSON(t *testing.T) {
	out, _ := logged(t, func(c *LogConfig) { c.Formatter, c.Level = "json", "alert" })
	var line struct{ Level, Msg string }
	if err := json.Unmarshal([]byte(out), &line); err != nil || line.Level != "alert" || line.Msg != "said" {
		t.Errorf("%s: %+v, %v", out, line, err)
	}
}

func TestLogThatCantBeWrittenIsASentence(t *testing.T) {
	c := new(LogConfig)
	c.SetDefaults()
	c.To, c.Dir = "file", filepath.Join(t.TempDir(), "file", "log")
	if err := os.WriteFile(filepath.Dir(c.Dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Open(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "log.dir = "+c.Dir) {
		t.Errorf("got %v", err)
	}
	c.Dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(c.Dir, c.File), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Open(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "log.file = ") {
		t.Errorf("got %v", err)
	}
}
