package engine

import (
	"fmt"
	"log/slog"
	"strings"
)

// serverLog passes on what the embedded server says. Its notices are of no use
// to who runs a broker.
type serverLog struct{ log *slog.Logger }

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(said(format, v)) }
func (l *serverLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Maximum payloads over") {
		return // it is advice about ports, and there is none
	}
	l.log.Warn(said(format, v))
}
func (l *serverLog) Errorf(format string, v ...any) { l.log.Error(said(format, v)) }
func (l *serverLog) Fatalf(format string, v ...any) { l.log.Error(said(format, v)) }
func (l *serverLog) Debugf(format string, v ...any) { l.log.Debug(said(format, v)) }
func (l *serverLog) Tracef(format string, v ...any) { l.log.Debug(said(format, v)) }

func said(format string, v []any) string { return "engine: " + fmt.Sprintf(format, v...) }
