// Package testlog is what a test reads while others write it: the log, or the
// output, of what is being tested. It is not for logs that only one goroutine
// writes; a bytes.Buffer is enough for those.
package testlog

import (
	"bytes"
	"log/slog"
	"sync"
)

// Log keeps what is written to it. The zero Log is empty and ready; it is safe
// for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write is io.Writer's; it doesn't fail.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all that has been written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Logger writes lines of the level info and above to the Log.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
