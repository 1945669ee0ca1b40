package backup

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Errors of a Folder, in EMQ X's words.
var (
	ErrNotFound = errors.New("not_found")
	ErrFileName = errors.New("bad_filename")
	ErrFull     = errors.New("there are as many exports as are kept: delete some")
)

// Limits of a Folder.
const (
	maxFiles    = 1000
	maxFileName = 200 // bytes
)

// Folder is where exports are. Nothing outside of it can be reached, whatever a
// name says or a link in it points to; files are for their owner only.
type Folder string

// File is one export.
type File struct {
	Name    string
	Size    int64
	Created time.Time
}

// FileName is the name EMQ X gives an export of this moment, in local time.
func FileName(now time.Time) string {
	return now.Format("emqx-export-2006-1-2-") + fmt.Sprintf("%d-%d-%d.json", now.Hour(), now.Minute(), now.Second())
}

// checkFileName allows what is one file of JSON.
func checkFileName(name string) error {
	bad := func(c rune) bool { return c < ' ' || c == 0x7f || strings.ContainsRune(`/\\:`, c) }
	if len(name) > maxFileName || filepath.Ext(name) != ".json" || strings.HasPrefix(name, ".") || strings.ContainsFunc(name, bad) {
		return ErrFileName
	}
	return nil
}

// in calls do with the folder, for a file of this name.
func (f Folder) in(name string, do func(*os.Root) error) (err error) {
	if err := checkFileName(name); err != nil {
		return err
	}
	root, err := os.OpenRoot(string(f))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNotFound
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := do(root); errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	} else if err != nil {
		return err
	}
	return nil
}

// List returns the exports, the oldest first.
func (f Folder) List() ([]File, error) {
	entries, err := os.ReadDir(string(f))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	all := []File{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || checkFileName(e.Name()) != nil {
			continue // gone meanwhile, or none of ours
		}
		all = append(all, File{e.Name(), info.Size(), info.ModTime()})
	}
	slices.SortFunc(all, func(a, b File) int { return a.Created.Compare(b.Created) })
	return all, nil
}

// Read returns an export of at most MaxSize bytes.
func (f Folder) Read(name string) (text []byte, err error) {
	err = f.in(name, func(root *os.Root) error {
		info, err := root.Lstat(name)
		switch {
		case err != nil:
			return err
		case !info.Mode().IsRegular(): // reading it might never end
			return ErrNotFound
		}
		file, err := root.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		if text, err = io.ReadAll(io.LimitReader(file, MaxSize+1)); err == nil && len(text) > MaxSize {
			err = fmt.Errorf("%s is larger than %d bytes", name, MaxSize)
		}
		return err
	})
	return text, err
}

// Write puts an export there, in the place of one of the same name, and makes
// the folder if need be. It is there as a whole or not at all.
func (f Folder) Write(name string, text []byte) error {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return err
	}
	return f.in(name, func(root *os.Root) error {
		if all, err := f.List(); err != nil || len(all) >= maxFiles {
			return errors.Join(err, full(len(all)))
		}
		begun := "." + rand.Text()
		file, err := root.OpenFile(begun, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = file.Write(text)
		if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
			err = root.Rename(begun, name)
		}
		if err != nil {
			return errors.Join(err, root.Remove(begun))
		}
		return nil
	})
}

func full(n int) error {
	if n >= maxFiles {
		return ErrFull
	}
	return nil
}

// Remove deletes an export.
func (f Folder) Remove(name string) error {
	return f.in(name, func(root *os.Root) error { return root.Remove(name) })
}
