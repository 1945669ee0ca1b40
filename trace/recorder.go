package trace

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/linefile"
)

// recorder writes the file of one trace.
type recorder struct {
	spec  Spec
	title string // for the log
	level slog.Level
	lines slog.Handler // puts lines into the queue
	queue *linefile.Queue
	file  *linefile.File
	log   *slog.Logger

	full    func() // the file has its size and is not rotated; called once
	once    sync.Once
	failing bool
	reason  string // of the end; set before the queue is closed
}

// record opens the file and begins. full is called on another goroutine.
func record(spec *Spec, title string, file *linefile.File, log *slog.Logger, full func()) (*recorder, error) {
	if err := file.Open(); err != nil {
		return nil, err
	}
	r := &recorder{spec: *spec, title: title, level: linefile.ParseLevel(spec.Level), file: file, log: log, full: full}
	if err := r.note(file, "trace begins", slog.String("type", spec.Type), slog.String("value", spec.Value)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	r.queue = linefile.NewQueue(r, r.reportLost)
	r.lines = spec.newHandler(r.queue)
	return r, nil
}

// note writes a line about the trace itself, whatever its level.
func (r *recorder) note(w io.Writer, event string, attrs ...slog.Attr) error {
	line := slog.NewRecord(time.Now(), linefile.LevelNotice, event, 0)
	line.AddAttrs(attrs...)
	return r.spec.newHandler(w).Handle(context.Background(), line)
}

func (r *recorder) reportLost(w io.Writer, lost int64) error {
	return r.note(w, "lines are lost", slog.Int64("lines", lost))
}

// end has what waits written, and why there is no more.
func (r *recorder) end(reason string) {
	r.reason = reason
	r.queue.Close()
}

// Write is what the queue writes a line to.
func (r *recorder) Write(line []byte) (int, error) {
	n, err := r.file.Write(line)
	switch {
	case errors.Is(err, linefile.ErrFull):
		r.once.Do(r.full)
	case err != nil && !r.failing:
		r.failing = true
		r.log.Error("a trace can't be written, its lines are lost", "trace", r.title, "file", r.file.Path, "err", err)
	case err == nil:
		r.failing = false
	}
	return n, err
}

// Close is the queue's last word.
func (r *recorder) Close() error {
	r.file.Size = 0 // for one more line
	return errors.Join(r.note(r.file, "trace ends", slog.String("reason", r.reason), slog.Int64("lost", r.queue.Lost())), r.file.Close())
}
