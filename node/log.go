package node

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"
)

// The levels that EMQ X has and slog hasn't, between and above its own.
const (
	levelNotice   = slog.LevelInfo + 2
	levelCritical = slog.LevelError + 4
	levelAlert    = slog.LevelError + 8
	levelNone     = slog.LevelError + 12
)

// Open makes the logger that the section log.* describes; console is where
// log.to = console goes. The caller calls shut at the end.
func (c *LogConfig) Open(console io.Writer) (log *slog.Logger, shut func(), err error) {
	shut = func() {}
	var out io.Writer
	switch c.To {
	case "off":
		return slog.New(slog.DiscardHandler), shut, nil
	case "console":
		out = console
	default:
		file, err := c.openFile()
		if err != nil {
			return nil, shut, err
		}
		shut = func() { file.Close() }
		out = file
		if c.To == "both" {
			out = io.MultiWriter(console, file)
		}
	}
	options := &slog.HandlerOptions{Level: c.level(), ReplaceAttr: nameLevel}
	if c.Formatter == "json" {
		return slog.New(slog.NewJSONHandler(out, options)), shut, nil
	}
	return slog.New(slog.NewTextHandler(out, options)), shut, nil
}

// openFile opens the log file, with rotation if that is on.
func (c *LogConfig) openFile() (io.WriteCloser, error) {
	path := filepath.Join(c.Dir, c.File)
	if err := os.MkdirAll(c.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("log.dir = %s: can't be used: %w", c.Dir, err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("log.file = %s: can't be written: %w", path, err)
	}
	if !c.Rotation {
		return file, nil
	}
	file.Close()
	return &lumberjack.Logger{Filename: path, MaxSize: max(1, int(c.Size>>20)), MaxBackups: c.Count}, nil
}

func (c *LogConfig) level() slog.Level {
	switch c.Level {
	case "debug", "all":
		return slog.LevelDebug
	case "info":
		return slog.LevelInfo
	case "notice":
		return levelNotice
	case "error":
		return slog.LevelError
	case "critical":
		return levelCritical
	case "alert":
		return levelAlert
	case "emergency":
		return levelNone
	}
	return slog.LevelWarn
}

// nameLevel writes the levels as EMQ X names them.
func nameLevel(_ []string, a slog.Attr) slog.Attr {
	if a.Key != slog.LevelKey {
		return a
	}
	names := map[slog.Level]string{
		slog.LevelDebug: "debug", slog.LevelInfo: "info", levelNotice: "notice", slog.LevelWarn: "warning",
		slog.LevelError: "error", levelCritical: "critical", levelAlert: "alert",
	}
	if name, ok := names[a.Value.Any().(slog.Level)]; ok {
		a.Value = slog.StringValue(name)
	}
	return a
}
