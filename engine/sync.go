package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// syncer brings the files of a stream to the disk: once for all records that
// have been answered meanwhile. The server could do it too, once for each.
type syncer struct {
	s     *stream
	known map[string]stamp
	least uint64 // files of a log with smaller numbers are not written to anymore
}

// stamp is how a file was when it was last brought to the disk.
type stamp struct {
	size int64
	time time.Time
}

// sync returns when everything written before the call is on the disk.
func (y *syncer) sync() error {
	dir := y.s.dir()
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if y.known == nil {
		y.known = make(map[string]stamp)
		err = y.begin(dir)
	}
	grown, most := false, y.least
	for _, name := range names {
		digits, is := strings.CutSuffix(name.Name(), ".blk")
		number, bad := strconv.ParseUint(digits, 10, 32)
		if !is || bad != nil || number < y.least {
			continue
		}
		fresh, wrong := y.file(dir, name)
		grown, err = grown || fresh, errors.Join(err, wrong)
		most = max(most, number)
	}
	if grown {
		err = errors.Join(err, syncPath(dir))
	}
	if err != nil {
		y.known = nil // what the disk has is not known anymore
		return err
	}
	if y.s.isLog { // a map has its old files written anew as well
		y.least = most
	}
	return nil
}

// begin brings what describes the stream to the disk.
func (y *syncer) begin(dir string) error {
	parent := filepath.Dir(dir)
	err := errors.Join(syncPath(parent), syncPath(filepath.Dir(parent)), syncPath(filepath.Dir(filepath.Dir(parent))))
	for _, name := range []string{"meta.inf", "meta.sum"} {
		err = errors.Join(err, syncPath(filepath.Join(parent, name)))
	}
	return err
}

// file brings one file to the disk if it has changed; fresh: it is a new one.
func (y *syncer) file(dir string, name fs.DirEntry) (fresh bool, err error) {
	info, err := name.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now := stamp{info.Size(), info.ModTime()}
	was, known := y.known[name.Name()]
	if known && was == now {
		return false, nil
	}
	if err := syncPath(filepath.Join(dir, name.Name())); err != nil {
		return false, err
	}
	y.known[name.Name()] = now
	return !known, nil
}

// syncPath brings a file or a folder to the disk. One that has gone needs none.
func syncPath(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
