package linefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

func report(w io.Writer, lost int64) error {
	_, err := fmt.Fprintf(w, "lost: %d\n", lost)
	return err
}

func say(q *Queue, line string) { io.WriteString(q, line+"\n") }

// TestQueueNeverWaits for a sink that hangs, and says later what it has lost.
func TestQueueNeverWaits(t *testing.T) {
	sink := newStuckSink()
	q := NewQueue(sink, report)
	say(q, "first")
	<-sink.entered
	for range maxLines + 7 {
		say(q, "said")
	}
	q.Reopen() // doesn't wait either
	if q.Lost() != 7 {
		t.Errorf("%d lines are lost, want 7", q.Lost())
	}
	close(sink.release)
	q.Close()
	<-q.done
	text := sink.String()
	if n := strings.Count(text, "said"); n != maxLines {
		t.Errorf("%d lines are written, want %d", n, maxLines)
	}
	if strings.Count(text, "lost: 7\n") != 1 {
		t.Errorf("nothing is said of those that are lost")
	}
	if q.waiting.Load() != 0 {
		t.Errorf("%d bytes wait in an empty queue", q.waiting.Load())
	}
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	sink := newStuckSink()
	q := NewQueue(sink, report)
	say(q, "first")
	<-sink.entered
	long := strings.Repeat("x", maxBytes/4)
	for range 10 {
		say(q, long)
	}
	if n := len(q.lines); n != 3 || q.Lost() != 7 {
		t.Errorf("%d lines of 2 MB wait and %d are lost, want 3 and 7", n, q.Lost())
	}
	close(sink.release)
	q.Close()
	<-q.done
}

// TestQueueEndsInTime although nothing can be written.
func TestQueueEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newStuckSink()
		q := NewQueue(sink, report)
		say(q, "said")
		<-sink.entered
		q.Close()
		begin := time.Now()
		if q.Wait(3*time.Second) || time.Since(begin) != 3*time.Second {
			t.Errorf("took %v", time.Since(begin))
		}
		q.Close() // once more does nothing
		say(q, "after the end")
		close(sink.release)
		if !q.Wait(time.Second) {
			t.Error("it doesn't end")
		}
	})
}

func TestQueueCountsWhatFails(t *testing.T) {
	sink := newStuckSink()
	sink.err = errors.New("no space left on device")
	close(sink.release)
	q := NewQueue(sink, report)
	for range 5 {
		say(q, "said")
	}
	q.Close()
	<-q.done
	if q.Lost() != 5+1 { // closing failed too
		t.Errorf("lost: %d", q.Lost())
	}
}

// TestQueueIsUsedByMany is for the race detector.
func TestQueueIsUsedByMany(t *testing.T) {
	path := t.TempDir() + "/f"
	q := NewQueue(&File{Path: path, Mode: 0o600}, report)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				say(q, "said")
				q.Lost()
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			q.Reopen()
		}
	})
	wg.Wait()
	q.Close()
	<-q.done
	if n := strings.Count(contents(t, path), "said\n"); n+int(q.Lost()) != 800 || q.Lost() != 0 {
		t.Errorf("%d lines, %d lost", n, q.Lost())
	}
}

func TestLevelsHaveNames(t *testing.T) {
	for _, name := range LevelNames() {
		if got := LevelName(ParseLevel(name)); got != name {
			t.Errorf("%s: %s", name, got)
		}
	}
	if ParseLevel("all") != ParseLevel("debug") || LevelName(ParseLevel("debug")+1) != "DEBUG+1" {
		t.Error(LevelName(ParseLevel("all")))
	}
}
