package node

import "log/slog"

// The levels that EMQ X has and slog hasn't, between and above its own.
const (
	levelNotice    = slog.LevelInfo + 2
	levelCritical  = slog.LevelError + 4
	levelAlert     = slog.LevelError + 8
	levelEmergency = slog.LevelError + 12 // nothing is logged at it
)

// logLevels are EMQ X's names, from the lowest on; all is another for debug.
func logLevels() []logLevel {
	return []logLevel{
		{"debug", slog.LevelDebug}, {"info", slog.LevelInfo}, {"notice", levelNotice}, {"warning", slog.LevelWarn},
		{"error", slog.LevelError}, {"critical", levelCritical}, {"alert", levelAlert}, {"emergency", levelEmergency},
	}
}

type logLevel struct {
	name  string
	level slog.Level
}

// parseLevel reads a name that was checked to be one.
func parseLevel(name string) slog.Level {
	for _, l := range logLevels() {
		if l.name == name {
			return l.level
		}
	}
	return slog.LevelDebug
}

func levelName(level slog.Level) string {
	for _, l := range logLevels() {
		if l.level == level {
			return l.name
		}
	}
	return level.String()
}
