package node

import (
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/linefile"
)

// newHandler gives lines the form that is configured.
func (c *LogConfig) newHandler(w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: c.replace}
	if c.Formatter == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// replace names levels as EMQ X does, writes the time in the form that is
// configured, and cuts what is too long for a line of JSON.
func (c *LogConfig) replace(groups []string, a slog.Attr) slog.Attr {
	top := len(groups) == 0
	switch {
	case top && a.Key == slog.LevelKey:
		if level, ok := a.Value.Any().(slog.Level); ok {
			a.Value = slog.StringValue(linefile.LevelName(level))
		}
	case top && a.Key == slog.TimeKey && c.Formatter == "text" && c.DateFormat.layouts != nil:
		if a.Value.Kind() == slog.KindTime {
			a.Value = slog.StringValue(c.DateFormat.format(a.Value.Time()))
		}
	case c.Formatter == "json" && c.CharsLimit > 0:
		a.Value = cutValue(a.Value, c.CharsLimit)
	}
	return a
}

// cutValue shortens text; the line stays JSON.
func cutValue(v slog.Value, characters int) slog.Value {
	var text string
	switch was := v.Any().(type) {
	case string:
		text = was
	case error:
		text = was.Error()
	default:
		return v
	}
	if runes := []rune(text); len(runes) > characters {
		text = string(runes[:characters]) + "..."
	}
	return slog.StringValue(text)
}

// dateFormat is log.formatter.text.date.format: rfc3339, or directives such as
// those of the command date.
type dateFormat struct {
	text    string
	layouts []string // of package time, or text behind a %; nil: RFC 3339
}

// dateDirectives are the layouts of the directives.
func dateDirectives() map[string]string {
	return map[string]string{
		"Y": "2006", "m": "01", "d": "02", "H": "15", "M": "04", "S": "05", "y": "06", "b": "Jan", "a": "Mon",
		"F": time.DateOnly, "T": time.TimeOnly, "z": "-0700", ":z": "-07:00", "Z": "MST", "%": "%%",
		"3N": ".000", "6N": ".000000", "9N": ".000000000", "N": ".000000000",
	}
}

// UnmarshalText reads the format.
func (d *dateFormat) UnmarshalText(text []byte) error {
	*d = dateFormat{text: string(text)}
	if d.text == "rfc3339" {
		return nil
	}
	directives := dateDirectives()
	d.layouts = []string{}
	for rest := d.text; rest != ""; {
		plain, after, found := strings.Cut(rest, "%")
		if plain != "" {
			d.layouts = append(d.layouts, "%"+plain)
		}
		if !found {
			break
		}
		n := 1 + strings.IndexFunc(after, func(r rune) bool { return r != ':' && (r < '0' || r > '9') })
		layout, known := directives[after[:n]]
		if n == 0 || !known {
			return config.Expected("rfc3339 or a form such as %Y-%m-%d %H:%M:%S.%3N, of %Y %m %d %H %M %S %3N %6N %z %:z and the like", d.text)
		}
		d.layouts, rest = append(d.layouts, layout), after[n:]
	}
	return nil
}

// String is the format as it was written.
func (d dateFormat) String() string { return d.text }

func (d *dateFormat) format(t time.Time) string {
	var b []byte
	for _, layout := range d.layouts {
		switch layout[0] {
		case '%':
			b = append(b, layout[1:]...)
		case '.': // package time has fractions only behind a point
			b = append(b, t.Format(layout)[1:]...)
		default:
			b = t.AppendFormat(b, layout)
		}
	}
	return string(b)
}
