package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// serverLog passes on what the embedded server says: what somebody who runs a
// broker can do something about in words of our own, all else at the level debug.
type serverLog struct {
	log    *slog.Logger
	onDisk func() // is called when the disk is at fault; may be nil

	fatal atomic.Pointer[error] // why it could not be started
	mu    sync.Mutex
	said  map[string]time.Time
}

const (
	repeatOf   = time.Minute // the server repeats itself
	mostSaid   = 1000        // sentences that are remembered
	serverSays = "engine: the embedded server: "
)

// saying is what is said instead of something that contains mark.
type saying struct {
	mark  string
	level slog.Level
	disk  bool
	words string // {what}: the map or log; {why}: the cause
}

const (
	lostQuorum = "{what} can't be written to: too few of the nodes that have a copy can be reached"
	farBehind  = "{what}: copies on other nodes are far behind"
	noRoom     = "the disk is full: nothing is kept on this node until there is room"
	cantWrite  = "this node can't write its copy of {what}: {why}"
	cantVote   = "this node can't write to its disk, and has no vote until it can: {why}"
	madeAnew   = "this node's copy of {what} has a gap or is damaged, and is made anew from the others"
	badFile    = "{what}: a file is damaged: {why}"
	refused    = "a connection between nodes was refused, as it is for another cookie or certificate: {why}"
	otherName  = "a connection of a node was refused: it has another name for the cluster"
	tooSlow    = "another node takes too long to read what it is sent: the connection to it is made anew"
	cantListen = "this node can't listen on its address in the cluster: {why}"
	cantStart  = "what keeps the records can't be started: {why}"
)

var sayings = []saying{
	{"has NO quorum", slog.LevelWarn, false, lostQuorum},
	{"high message lag", slog.LevelWarn, false, farBehind},
	{"out of space", slog.LevelError, true, noRoom},
	{"resources exceeded", slog.LevelError, true, noRoom},
	{"resource limits exceeded", slog.LevelError, true, noRoom},
	{"permission denied", slog.LevelError, true, cantWrite},
	{"Critical write error", slog.LevelError, true, cantWrite},
	{"Error storing entry", slog.LevelError, true, cantWrite},
	{"Error truncating WAL", slog.LevelError, true, cantWrite},
	{"term and vote", slog.LevelError, true, cantVote},
	{"Error writing peer state", slog.LevelError, true, cantVote},
	{"Corrupt WAL", slog.LevelWarn, false, madeAnew},
	{"Snapshot corrupt", slog.LevelWarn, false, madeAnew},
	{"Resetting WAL state", slog.LevelWarn, false, madeAnew},
	{"Resetting stream cluster state", slog.LevelWarn, false, madeAnew},
	{"loadBlock error", slog.LevelError, false, badFile},
	{"corrupt state in", slog.LevelError, false, badFile},
	{"corrupt record state", slog.LevelError, false, badFile},
	{"Can't start JetStream", slog.LevelError, false, cantStart},
	{"handshake error", slog.LevelWarn, false, refused},
	{"Rejecting connection, cluster name", slog.LevelWarn, false, otherName},
	{"Slow Consumer", slog.LevelWarn, false, tooSlow},
}

func (l *serverLog) Noticef(format string, v ...any) { l.pass(format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.pass(format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.pass(format, v) }
func (l *serverLog) Debugf(format string, v ...any) {
	l.log.Debug(serverSays + fmt.Sprintf(format, v...))
}
func (l *serverLog) Tracef(format string, v ...any) {
	l.log.Debug(serverSays + fmt.Sprintf(format, v...))
}

// Fatalf is what the server says when it can't start, after which it goes on.
func (l *serverLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.log.Debug(serverSays + text)
	words := cantStart
	if strings.Contains(text, "listening on") {
		words = cantListen
	}
	err := errors.New(inWords(words, text, v))
	l.fatal.CompareAndSwap(nil, &err)
}

func (l *serverLog) pass(format string, v []any) {
	text := fmt.Sprintf(format, v...)
	for _, s := range sayings {
		if !strings.Contains(text, s.mark) {
			continue
		}
		if s.disk && l.onDisk != nil {
			l.onDisk()
		}
		words := inWords(s.words, text, v)
		if s.words == cantStart {
			err := errors.New(words)
			l.fatal.CompareAndSwap(nil, &err)
		}
		if l.isNew(words) {
			l.log.Log(context.Background(), s.level, words)
		}
		break
	}
	l.log.Debug(serverSays + text)
}

// isNew says whether a sentence was not said for a while.
func (l *serverLog) isNew(words string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if at, was := l.said[words]; was && now.Sub(at) < repeatOf {
		return false
	}
	if l.said == nil || len(l.said) >= mostSaid {
		l.said = make(map[string]time.Time)
	}
	l.said[words] = now
	return true
}

var streamName = regexp.MustCompile(`\b(` + logPrefix + `[\w-]+_\d+|` + bigMap + `[\w-]+|` + sharedMaps + `)\b`)

// inWords fills in what the server has said text of, and why.
func inWords(words, text string, v []any) string {
	what := "a map or log"
	if name := streamName.FindString(text); name != "" {
		what = describe(name)
	}
	why := text
	for _, a := range v {
		if err, is := a.(error); is {
			why = err.Error()
		}
	}
	if i := strings.LastIndex(why, ": "); i >= 0 {
		why = why[i+2:] // the system's own words
	}
	return "engine: " + strings.NewReplacer("{what}", what, "{why}", why).Replace(words)
}
