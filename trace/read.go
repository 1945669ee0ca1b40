package trace

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
	"unicode/utf8"
)

// extension is that of the file of a named trace.
const extension = ".log"

// File is the file of a named trace, to be read while it is written.
type File struct {
	*os.File
	Name     string
	Size     int64 // at the moment it was opened
	Modified time.Time
}

// Open opens the file of a named trace; the caller closes it. The error is
// ErrNotFound, or fs.ErrNotExist for one that has not begun.
func (t *Tracer) Open(name string) (*File, error) {
	t.mu.Lock()
	known := t.named[name] != nil
	t.mu.Unlock()
	if !known {
		return nil, ErrNotFound
	}
	f, err := t.root.Open(name + extension)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &File{f, name + extension, info.Size(), info.ModTime()}, nil
}

// MostRead is the largest part of a file that Read returns, in bytes.
const MostRead = 1 << 20

// Read returns up to n bytes of the file of a named trace, and where to go on.
// At the end that is the size of the file. A character is not divided, nor is
// anything lost by that: it comes with the next part.
func (t *Tracer) Read(name string, from, n int64) (part []byte, next int64, err error) {
	f, err := t.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	if from >= f.Size {
		return nil, f.Size, nil
	}
	part = make([]byte, min(n, MostRead, f.Size-from))
	got, err := f.ReadAt(part, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	part = whole(part[:got])
	return part, from + int64(len(part)), nil
}

// whole leaves out the beginning of a character at the end, if there is
// something else.
func whole(p []byte) []byte {
	for i := 1; i < utf8.UTFMax && i < len(p); i++ {
		if c := p[len(p)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(p[len(p)-i:]) {
				return p[:len(p)-i]
			}
			break
		}
	}
	return p
}
