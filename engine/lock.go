package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

// lockPatience is how long Start waits for a process that is just ending.
const lockPatience = time.Second

// hold keeps other processes out of the folder.
func (e *Engine) hold() error {
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		f, inUse, err := lock(filepath.Join(e.o.Dir, "lock"))
		switch {
		case err == nil:
			e.lock = f
			return nil
		case !inUse:
			return cantOpen(e.o.Dir, err)
		case time.Since(begin) > lockPatience:
			return fmt.Errorf("engine: %s is in use by another process", e.o.Dir)
		}
	}
}

// cantOpen makes the one sentence of an error.
func cantOpen(dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("engine: %s could not be written, as the disk is full", dir)
	}
	var withPath *fs.PathError
	if errors.As(err, &withPath) {
		return fmt.Errorf("engine: open %s: %w", withPath.Path, withPath.Err)
	}
	return fmt.Errorf("engine: open %s: %w", dir, err)
}
