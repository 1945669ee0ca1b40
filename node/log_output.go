package node

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

const (
	// logQueue is how many lines may wait for an output, which is a second or
	// two of a disk that has other things to do. More are lost, and counted.
	logQueue = 4096
	// logQueueBytes bounds the same, for long lines.
	logQueueBytes = 8 << 20
	// logPatience is how long Close waits for an output.
	logPatience = 3 * time.Second
)

// writerSink is a writer that belongs to somebody else.
type writerSink struct{ io.Writer }

func (writerSink) Close() error { return nil }

// logOutput is one place the log goes to. Lines wait in a queue, so that
// neither a full disk nor a terminal that hangs holds whoever logs.
type logOutput struct {
	id, destination string
	level           atomic.Int64
	runs            atomic.Bool

	handler slog.Handler // what gives lines their form and puts them in the queue
	report  slog.Handler // the same, past the queue
	longest int          // characters of a line of text; 0: any number
	queue   chan []byte  // nil is nothing to write
	waiting atomic.Int64 // bytes in the queue
	renamed atomic.Bool  // the sink is to be opened again
	stop    chan struct{}
	done    chan struct{}
	sink    io.WriteCloser // gets one line a call; after Close the next call opens it again

	lost   atomic.Int64 // lines, since the start
	untold int64        // how many of them the log itself has told of
}

func newLogOutput(id, destination string, level slog.Level, sink io.WriteCloser) *logOutput {
	o := &logOutput{
		id: id, destination: destination, sink: sink,
		queue: make(chan []byte, logQueue), stop: make(chan struct{}), done: make(chan struct{}),
	}
	o.level.Store(int64(level))
	return o
}

// start lets it write, in the form that is configured.
func (o *logOutput) start(c *LogConfig) {
	if c.Formatter == "text" {
		o.longest = max(c.CharsLimit, 0)
	}
	o.handler, o.report = c.newHandler(queueWriter{o}), c.newHandler(o.sink)
	o.runs.Store(true)
	go o.run()
}

func (o *logOutput) takes() slog.Level { return slog.Level(o.level.Load()) }

// queueWriter is what a slog handler writes to.
type queueWriter struct{ o *logOutput }

// Write copies the line into the queue.
func (w queueWriter) Write(line []byte) (int, error) {
	short := bytes.Clone(cut(line, w.o.longest))
	if w.o.waiting.Add(int64(len(short))) <= logQueueBytes {
		select {
		case w.o.queue <- short:
			return len(line), nil
		default:
		}
	}
	w.o.waiting.Add(-int64(len(short)))
	w.o.lost.Add(1)
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

// reopen is done before the next line, or at once if none waits.
func (o *logOutput) reopen() {
	o.renamed.Store(true)
	select {
	case o.queue <- nil:
	default:
	}
}

// run writes until stop, and then what is left.
func (o *logOutput) run() {
	defer close(o.done)
	for {
		select {
		case line := <-o.queue:
			o.write(line)
		case <-o.stop:
			for range len(o.queue) {
				o.write(<-o.queue)
			}
			o.close()
			return
		}
	}
}

func (o *logOutput) write(line []byte) {
	o.waiting.Add(-int64(len(line)))
	if o.renamed.Swap(false) {
		o.close()
	}
	if _, err := o.sink.Write(line); err != nil {
		if line != nil {
			o.lost.Add(1)
		}
		return
	}
	if lost := o.lost.Load(); lost > o.untold && len(o.queue) < logQueue/2 {
		r := slog.NewRecord(time.Now(), slog.LevelError, "lines of the log could not be written and are lost", 0)
		r.AddAttrs(slog.Int64("lines", lost-o.untold))
		if o.report.Handle(context.Background(), r) == nil {
			o.untold = lost
		}
	}
}

// close takes an error for the loss of a line, since it says that something had
// not been written yet.
func (o *logOutput) close() {
	if o.sink.Close() != nil {
		o.lost.Add(1)
	}
}

// wait ends when everything is written, or when that takes too long.
func (o *logOutput) wait() {
	late := time.NewTimer(logPatience)
	defer late.Stop()
	select {
	case <-o.done:
	case <-late.C:
	}
}
