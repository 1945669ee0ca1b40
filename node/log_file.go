package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// errLogFull is the end of a file that is not rotated.
var errLogFull = errors.New("the file has the size that log.size allows")

// logFile is a file that lines are appended to. Before it grows over its size it
// becomes FILE.1, FILE.1 becomes FILE.2, and so on as far as files are kept. A
// line is written whole or not at all.
type logFile struct {
	path   string
	size   int64 // bytes; 0: any
	keep   int   // old files; 0: none is made, and size is the end of it
	file   *os.File
	length int64
}

// openLogFile opens or makes the file and its folder; key is the setting that
// names it.
func openLogFile(key, path string, size int64, keep int) (*logFile, error) {
	f := &logFile{path: path, size: size, keep: keep}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("log.dir = %s: can't be used: %w", filepath.Dir(path), err)
	}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("%s = %s: can't be written: %w", key, path, err)
	}
	return f, nil
}

func (f *logFile) open() error {
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.length = file, info.Size()
	return nil
}

// Write appends a line; without one it only opens the file.
func (f *logFile) Write(line []byte) (int, error) {
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	if f.size > 0 && f.length > 0 && f.length+int64(len(line)) > f.size {
		if f.keep == 0 {
			return 0, errLogFull
		}
		if err := f.rotate(); f.file == nil {
			return 0, err
		}
	}
	n, err := f.file.Write(line)
	if err != nil && n > 0 && f.file.Truncate(f.length) == nil {
		n = 0 // the disk is full: half a line would spoil the next
	}
	f.length += int64(n)
	return n, err
}

// rotate moves all files up by one and begins a new one. A folder in which
// nothing can be renamed keeps the file that there is: a long log is better than
// none.
func (f *logFile) rotate() error {
	if !f.moveUp() {
		return nil
	}
	return errors.Join(f.Close(), f.open())
}

func (f *logFile) moveUp() bool {
	for i := f.keep - 1; i > 0; i-- {
		if err := os.Rename(f.old(i), f.old(i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return os.Rename(f.path, f.old(1)) == nil
}

func (f *logFile) old(i int) string { return f.path + "." + strconv.Itoa(i) }

// Close may be called again, and Write opens the file that then has the path.
func (f *logFile) Close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
