package node

import (
	"path/filepath"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/linefile"
)

// LogConfig is log.*.
type LogConfig struct {
	To         string       `conf:"to" oneof:"off file console both"`
	Level      string       `conf:"level" oneof:"debug info notice warning error critical alert emergency all"`
	Dir        string       `conf:"dir"`
	File       string       `conf:"file"`
	Formatter  string       `conf:"formatter" oneof:"text json"`
	DateFormat dateFormat   `conf:"formatter.text.date.format"`
	CharsLimit int          `conf:"chars_limit" range:"-1.."` // of a line, or of each text in a line of JSON; -1 and 0: none
	Rotation   config.Flag  `conf:"rotation"`
	Size       config.Bytes `conf:"rotation.size" range:"1.."`  // of a file before the next is begun
	Count      int          `conf:"rotation.count" range:"1.."` // of old files kept
	Most       sizeOrNone   `conf:"size"`                       // where a file ends that is not rotated

	// A file of its own for what is of that level or above, below Dir.
	Debug     string `conf:"debug.file"`
	Info      string `conf:"info.file"`
	Notice    string `conf:"notice.file"`
	Warning   string `conf:"warning.file"`
	Error     string `conf:"error.file"`
	Critical  string `conf:"critical.file"`
	Alert     string `conf:"alert.file"`
	Emergency string `conf:"emergency.file"`
}

// sizeOrNone is a size, or `infinity`, which is 0.
type sizeOrNone config.Bytes

// UnmarshalText reads the size.
func (s *sizeOrNone) UnmarshalText(text []byte) error {
	if string(text) == "infinity" {
		*s = 0
		return nil
	}
	if err := (*config.Bytes)(s).UnmarshalText(text); err != nil || *s == 0 {
		return config.Expected("infinity, or a size such as 64KB or 1MB", string(text))
	}
	return nil
}

// String is the form of the configuration.
func (s sizeOrNone) String() string {
	if s == 0 {
		return "infinity"
	}
	return config.Bytes(s).String()
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *LogConfig) SetDefaults() {
	*c = LogConfig{
		To: "console", Level: "warning", Dir: "log", File: "emqx.log", Formatter: "text", DateFormat: dateFormat{text: "rfc3339"},
		CharsLimit: -1, Rotation: true, Size: 10 * config.MB, Count: 5,
	}
}

// logFileOf is a file of the log.
type logFileOf struct{ id, key, name, level string }

// files are the files that have names: the main one, whose level is log.level,
// and those of levels.
func (c *LogConfig) files() []logFileOf {
	all := []logFileOf{{"file", "file", c.File, ""}}
	for i, name := range []string{c.Debug, c.Info, c.Notice, c.Warning, c.Error, c.Critical, c.Alert, c.Emergency} {
		if level := linefile.LevelNames()[i]; name != "" {
			all = append(all, logFileOf{"file_for_" + level, level + ".file", name, level})
		}
	}
	return all
}

// Validate refuses two files of one name.
func (c *LogConfig) Validate() error {
	seen := make(map[string]string)
	for _, f := range c.files() {
		name := filepath.Clean(f.name)
		if other := seen[name]; other != "" {
			return config.Invalid(f.key, "the file %s is also that of log.%s", f.name, other)
		}
		seen[name] = f.key
	}
	return nil
}
