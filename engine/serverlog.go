package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
)

// serverLog passes on what the embedded server says. Its notices are of no use
// to who runs a broker.
type serverLog struct {
	log   *slog.Logger
	fatal atomic.Pointer[error] // why it could not be started
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(said(format, v)) }
func (l *serverLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Maximum payloads over") {
		return // it is advice about ports, and there is none
	}
	l.log.Warn(said(format, v))
}
func (l *serverLog) Errorf(format string, v ...any) { l.log.Error(said(format, v)) }
func (l *serverLog) Debugf(format string, v ...any) { l.log.Debug(said(format, v)) }
func (l *serverLog) Tracef(format string, v ...any) { l.log.Debug(said(format, v)) }

// Fatalf is what the server says when it can't start, after which it goes on.
func (l *serverLog) Fatalf(format string, v ...any) {
	err := errors.New(said(format, v))
	l.fatal.CompareAndSwap(nil, &err)
	l.log.Error(err.Error())
}

func said(format string, v []any) string { return "engine: " + fmt.Sprintf(format, v...) }
