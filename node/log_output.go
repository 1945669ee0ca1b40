package node

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/dunlin-mq/dunlin/linefile"
)

// logPatience is how long Close waits for an output.
const logPatience = 3 * time.Second

// writerSink is a writer that belongs to somebody else.
type writerSink struct{ io.Writer }

func (writerSink) Close() error { return nil }

// logOutput is one place the log goes to.
type logOutput struct {
	id, destination string
	level           atomic.Int64
	runs            atomic.Bool

	handler slog.Handler // what gives lines their form and puts them in the queue
	longest int          // characters of a line of text; 0: any number
	*linefile.Queue
}

// newLogOutput starts an output whose lines have the form that is configured.
func (c *LogConfig) newLogOutput(id, destination string, level slog.Level, sink io.WriteCloser) *logOutput {
	o := &logOutput{id: id, destination: destination}
	o.level.Store(int64(level))
	if c.Formatter == "text" {
		o.longest = max(c.CharsLimit, 0)
	}
	o.Queue = linefile.NewQueue(sink, c.reportLost)
	o.handler = c.newHandler(shortener{o})
	o.runs.Store(true)
	return o
}

// reportLost says in the log itself what is missing there.
func (c *LogConfig) reportLost(w io.Writer, lost int64) error {
	r := slog.NewRecord(time.Now(), slog.LevelError, "lines of the log could not be written and are lost", 0)
	r.AddAttrs(slog.Int64("lines", lost))
	return c.newHandler(w).Handle(context.Background(), r)
}

func (o *logOutput) takes() slog.Level { return slog.Level(o.level.Load()) }

// shortener is what a slog handler writes to.
type shortener struct{ *logOutput }

// Write puts the line into the queue.
func (w shortener) Write(line []byte) (int, error) {
	if _, err := w.Queue.Write(cut(line, w.longest)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// cut shortens a line to some characters and the end of the line; 0 leaves it.
func cut(line []byte, characters int) []byte {
	if characters == 0 || len(line) <= characters {
		return line
	}
	at := 0
	for range characters {
		_, size := utf8.DecodeRune(line[at:])
		if at += size; at >= len(line)-1 {
			return line
		}
	}
	return append(line[:at:at], "...\n"...)
}
