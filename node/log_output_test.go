package node

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stuckSink writes nothing until it is let go, or fails.
type stuckSink struct {
	bytes.Buffer
	entered, release chan struct{}
	err              error
}

func newStuckSink() *stuckSink {
	return &stuckSink{entered: make(chan struct{}, 1), release: make(chan struct{})}
}

func (s *stuckSink) Write(line []byte) (int, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.release
	if s.err != nil {
		return 0, s.err
	}
	return s.Buffer.Write(line)
}

func (s *stuckSink) Close() error { return s.err }

func startOutput(sink *stuckSink) (*logOutput, *slog.Logger) {
	var c LogConfig
	c.SetDefaults()
	o := newLogOutput("console", "console", slog.LevelInfo, sink)
	o.start(&c)
	return o, slog.New(o.handler)
}

// TestLogNeverWaits for an output that hangs, and says later what it has lost.
func TestLogNeverWaits(t *testing.T) {
	sink := newStuckSink()
	o, log := startOutput(sink)
	log.Info("first")
	<-sink.entered
	for range logQueue + 7 {
		log.Info("said")
	}
	o.reopen() // doesn't wait either
	if lost := o.lost.Load(); lost != 7 {
		t.Errorf("%d lines are lost, want 7", lost)
	}
	close(sink.release)
	close(o.stop)
	<-o.done
	text := sink.String()
	if n := strings.Count(text, "msg=said"); n != logQueue {
		t.Errorf("%d lines are written, want %d", n, logQueue)
	}
	if strings.Count(text, "lines of the log could not be written and are lost") != 1 || !strings.Contains(text, "lines=7\n") {
		t.Errorf("nothing is said of those that are lost")
	}
	if o.waiting.Load() != 0 {
		t.Errorf("%d bytes wait in an empty queue", o.waiting.Load())
	}
}

func TestLogQueueIsBoundedInBytes(t *testing.T) {
	sink := newStuckSink()
	o, log := startOutput(sink)
	log.Info("first")
	<-sink.entered
	long := strings.Repeat("x", logQueueBytes/4)
	for range 10 {
		log.Info(long)
	}
	if n, lost := len(o.queue), o.lost.Load(); n != 3 || lost != 7 {
		t.Errorf("%d lines of 2 MB wait and %d are lost, want 3 and 7", n, lost)
	}
	close(sink.release)
	close(o.stop)
	<-o.done
}

// TestLogEndsInTime although nothing can be written.
func TestLogEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newStuckSink()
		o, log := startOutput(sink)
		log.Info("said")
		<-sink.entered
		l := &Log{outputs: []*logOutput{o}}
		begin := time.Now()
		l.Close()
		if took := time.Since(begin); took != logPatience {
			t.Errorf("took %v, want %v", took, logPatience)
		}
		log.Info("after the end")
		close(sink.release)
	})
}

func TestLogCountsWhatFails(t *testing.T) {
	sink := newStuckSink()
	sink.err = errors.New("no space left on device")
	close(sink.release)
	o, log := startOutput(sink)
	for range 5 {
		log.Info("said")
	}
	close(o.stop)
	<-o.done
	if lost := o.lost.Load(); lost != 5+1 { // closing failed too
		t.Errorf("lost: %d", lost)
	}
}

// TestLogIsChangedWhileWritten is for the race detector.
func TestLogIsChangedWhileWritten(t *testing.T) {
	l, _, _ := openLog(t, func(c *LogConfig) { c.To, c.Size, c.Error = "file", 2000, "e" })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				l.Warn("said", "k", "v")
			}
		})
	}
	wg.Go(func() {
		for i := range 100 {
			l.SetPrimary([]string{"debug", "error"}[i%2])
			if l.SetLevel("file", "info") != nil || l.Switch("file_for_error", i%2 == 0) != nil {
				t.Error("not changed")
			}
			l.Levels()
			l.Reopen()
		}
	})
	wg.Wait()
	l.Close()
	if _, all := l.Levels(); all[0].Lost != 0 {
		t.Errorf("lost: %+v", all)
	}
}
