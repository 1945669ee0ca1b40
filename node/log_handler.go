package node

import (
	"context"
	"errors"
	"log/slog"
)

// logHandler hands each record to the outputs that take it.
type logHandler struct {
	log *Log
	to  []slog.Handler // of log.outputs, each with the attributes given so far
}

// Enabled is asked for every line somebody may write, so it is one load.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return int64(level) >= h.log.lowest.Load()
}

// Handle never waits for an output.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	var errs []error
	for i, o := range h.log.outputs {
		if o.runs.Load() && r.Level >= o.takes() && int64(r.Level) >= h.log.primary.Load() {
			errs = append(errs, h.to[i].Handle(ctx, r))
		}
	}
	return errors.Join(errs...)
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return h.each(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *logHandler) each(f func(slog.Handler) slog.Handler) slog.Handler {
	other := &logHandler{log: h.log}
	for _, to := range h.to {
		other.to = append(other.to, f(to))
	}
	return other
}
