package node

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stuckSink writes nothing until it is let go.
type stuckSink struct{ entered, release chan struct{} }

func (s *stuckSink) Write(line []byte) (int, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.release
	return len(line), nil
}

func (s *stuckSink) Close() error { return nil }

// TestLogEndsInTime although nothing can be written.
func TestLogEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &stuckSink{make(chan struct{}, 1), make(chan struct{})}
		c := new(LogConfig)
		c.SetDefaults()
		l, err := c.Open(sink)
		if err != nil {
			t.Fatal(err)
		}
		l.Warn("said")
		<-sink.entered
		begin := time.Now()
		l.Close()
		if took := time.Since(begin); took != logPatience {
			t.Errorf("took %v, want %v", took, logPatience)
		}
		l.Warn("after the end")
		close(sink.release)
	})
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
