//go:build unix

package engine

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock holds a file as long as it is open; the kernel ends that with the
// process. inUse: another process, or engine, holds it.
func lock(path string) (f *os.File, inUse bool, err error) {
	if f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, false, err
	}
	if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Is(err, unix.EWOULDBLOCK), errors.Join(err, f.Close())
	}
	return f, false, nil
}
