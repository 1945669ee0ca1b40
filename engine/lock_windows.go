package engine

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lock holds a file as long as it is open; the system ends that with the
// process. inUse: another process, or engine, holds it.
func lock(path string) (f *os.File, inUse bool, err error) {
	if f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, false, err
	}
	const at = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	if err = windows.LockFileEx(windows.Handle(f.Fd()), at, 0, 1, 0, new(windows.Overlapped)); err != nil {
		return nil, errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Join(err, f.Close())
	}
	return f, false, nil
}
