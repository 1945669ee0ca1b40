package linefile

import "log/slog"

// The levels that EMQ X has and slog hasn't, between and above its own.
const (
	LevelNotice    = slog.LevelInfo + 2
	LevelCritical  = slog.LevelError + 4
	LevelAlert     = slog.LevelError + 8
	LevelEmergency = slog.LevelError + 12 // nothing is logged at it
)

// levels are EMQ X's names, from the lowest on; all is another for debug.
var levels = [...]struct {
	name  string
	level slog.Level
}{
	{"debug", slog.LevelDebug}, {"info", slog.LevelInfo}, {"notice", LevelNotice}, {"warning", slog.LevelWarn},
	{"error", slog.LevelError}, {"critical", LevelCritical}, {"alert", LevelAlert}, {"emergency", LevelEmergency},
}

// LevelNames are the names of all levels, from debug on.
func LevelNames() []string {
	names := make([]string, len(levels))
	for i := range levels {
		names[i] = levels[i].name
	}
	return names
}

// ParseLevel reads a name; any that is unknown is debug, as is all.
func ParseLevel(name string) slog.Level {
	for _, l := range levels {
		if l.name == name {
			return l.level
		}
	}
	return slog.LevelDebug
}

// LevelName is the name of a level.
func LevelName(level slog.Level) string {
	for _, l := range levels {
		if l.level == level {
			return l.name
		}
	}
	return level.String()
}
