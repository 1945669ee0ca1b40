package linefile

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
)

// ErrFull is the end of a file that is not rotated.
var ErrFull = errors.New("the file has the size that is allowed")

// File is a file that lines are appended to. Before it grows over its size it
// becomes FILE.1, FILE.1 becomes FILE.2, and so on as far as files are kept. A
// line is written whole or not at all. A File is for one goroutine.
type File struct {
	Path string
	// Root, if not nil, is the folder that Path can't lead out of.
	Root *os.Root
	Mode fs.FileMode // of what is made
	Size int64       // bytes; 0: any
	Keep int         // old files; 0: none is made, and Size is the end of it

	file   *os.File
	length int64
}

// Open opens or makes the file; its folder must be there.
func (f *File) Open() error {
	file, err := f.openFile()
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

func (f *File) openFile() (*os.File, error) {
	const flags = os.O_APPEND | os.O_CREATE | os.O_WRONLY
	if f.Root != nil {
		return f.Root.OpenFile(f.Path, flags, f.Mode)
	}
	return os.OpenFile(f.Path, flags, f.Mode)
}

func (f *File) rename(from, to string) error {
	if f.Root != nil {
		return f.Root.Rename(from, to)
	}
	return os.Rename(from, to)
}

// Write appends a line; without one it only opens the file.
func (f *File) Write(line []byte) (int, error) {
	if f.file == nil {
		if err := f.Open(); err != nil {
			return 0, err
		}
	}
	if f.Size > 0 && f.length > 0 && f.length+int64(len(line)) > f.Size {
		if f.Keep == 0 {
			return 0, ErrFull
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
func (f *File) rotate() error {
	if !f.moveUp() {
		return nil
	}
	return errors.Join(f.Close(), f.Open())
}

func (f *File) moveUp() bool {
	for i := f.Keep - 1; i > 0; i-- {
		if err := f.rename(Old(f.Path, i), Old(f.Path, i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return f.rename(f.Path, Old(f.Path, 1)) == nil
}

// Old is the name that a file has after it was rotated i times.
func Old(path string, i int) string { return path + "." + strconv.Itoa(i) }

// Close may be called again, and Write opens the file that then has the path.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
