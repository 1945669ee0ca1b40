package node

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/linefile"
)

// Log is the log of the process, with what EMQ X calls its handlers: the
// console, the file, and a file for each level that has one. What any part
// writes with slog goes to each of them that runs and takes the level. All of it
// can be changed while it is written to. A Log is an api.Logs.
type Log struct {
	*slog.Logger

	changing sync.Mutex
	primary  atomic.Int64 // below this level nothing is written
	lowest   atomic.Int64 // that anything takes, so that what nobody wants costs one load
	outputs  []*logOutput
}

// Open makes the log that the section log.* describes; console is where
// log.to = console goes. The caller calls Close at the end.
func (c *LogConfig) Open(console io.Writer) (*Log, error) {
	l := new(Log)
	level := linefile.ParseLevel(c.Level)
	if c.To == "console" || c.To == "both" {
		l.outputs = append(l.outputs, c.newLogOutput("console", "console", level, writerSink{console}))
	}
	if c.To == "file" || c.To == "both" {
		for _, f := range c.files() {
			file, err := c.openFile("log."+f.key, filepath.Join(c.Dir, f.name))
			if err != nil {
				l.Close()
				return nil, err
			}
			if f.level == "" {
				f.level = c.Level
			}
			l.outputs = append(l.outputs, c.newLogOutput(f.id, file.Path, linefile.ParseLevel(f.level), file))
		}
	}
	l.SetPrimary(c.Level)
	h := &logHandler{log: l}
	for _, o := range l.outputs {
		h.to = append(h.to, o.handler)
	}
	l.Logger = slog.New(h)
	return l, nil
}

// openFile opens or makes a file and its folder; key is the setting that names
// it.
func (c *LogConfig) openFile(key, path string) (*linefile.File, error) {
	f := &linefile.File{Path: path, Mode: 0o640, Size: int64(c.Size), Keep: c.Count}
	if !c.Rotation {
		f.Size, f.Keep = int64(c.Most), 0
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("log.dir = %s: can't be used: %w", filepath.Dir(path), err)
	}
	if err := f.Open(); err != nil {
		return nil, fmt.Errorf("%s = %s: can't be written: %w", key, path, err)
	}
	return f, nil
}

// Close writes what is waiting, and waits for it a few seconds at most. What is
// logged later is lost.
func (l *Log) Close() {
	for _, o := range l.outputs {
		o.Queue.Close()
	}
	for _, o := range l.outputs {
		o.Wait(logPatience)
	}
}

// Reopen closes and opens the files, for whoever has renamed them.
func (l *Log) Reopen() {
	for _, o := range l.outputs {
		o.Queue.Reopen()
	}
}

// Levels implements api.Logs.
func (l *Log) Levels() (primary string, all []api.LogHandler) {
	l.changing.Lock()
	defer l.changing.Unlock()
	for _, o := range l.outputs {
		all = append(all, api.LogHandler{
			ID: o.id, Level: linefile.LevelName(o.takes()), Destination: o.destination, Started: o.runs.Load(), Lost: o.Lost(),
		})
	}
	return linefile.LevelName(slog.Level(l.primary.Load())), all
}

// SetPrimary implements api.Logs.
func (l *Log) SetPrimary(level string) {
	l.changing.Lock()
	defer l.changing.Unlock()
	l.primary.Store(int64(linefile.ParseLevel(level)))
	l.changed()
}

// SetLevel implements api.Logs.
func (l *Log) SetLevel(id, level string) error {
	return l.change(id, func(o *logOutput) { o.level.Store(int64(linefile.ParseLevel(level))) })
}

// Switch implements api.Logs.
func (l *Log) Switch(id string, on bool) error {
	return l.change(id, func(o *logOutput) { o.runs.Store(on) })
}

func (l *Log) change(id string, f func(*logOutput)) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	i := slices.IndexFunc(l.outputs, func(o *logOutput) bool { return o.id == id })
	if i < 0 {
		return api.ErrNoLogHandler
	}
	f(l.outputs[i])
	l.changed()
	return nil
}

// changed works out the lowest level that anything takes.
func (l *Log) changed() {
	lowest := slog.Level(math.MaxInt)
	for _, o := range l.outputs {
		if o.runs.Load() {
			lowest = min(lowest, o.takes())
		}
	}
	l.lowest.Store(max(int64(lowest), l.primary.Load()))
}

// logs is the log of the node if it can be changed: one that Open has made.
func (n *Node) logs() api.Logs {
	if h, ok := n.log.Handler().(*logHandler); ok {
		return h.log
	}
	return nil
}
