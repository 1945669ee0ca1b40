//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// holdPIDFile writes the number of this process into a file of the data
// directory and holds a lock on it, which the kernel ends with the process
// whatever becomes of it. The caller removes and closes the file at the end.
func holdPIDFile(dataDir string) (*os.File, error) {
	f, err := os.OpenFile(pidFile(dataDir), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s can't be held: %w", f.Name(), err)
	}
	return f, nil
}

// holder is the process that holds a file, 0 if none does. It is the kernel's
// word: what a killed process has left in the file doesn't matter.
func holder(f *os.File) (int, error) {
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, fmt.Errorf("who holds %s can't be found out: %w", f.Name(), err)
	}
	switch {
	case lock.Type == unix.F_UNLCK:
		return 0, nil
	case lock.Pid <= 0: // of a container beside us
		return 0, fmt.Errorf("%s is held by a process that can't be seen from here", f.Name())
	}
	return int(lock.Pid), nil
}

// askToStop tells a process to end in order.
func askToStop(pid int) error {
	if err := unix.Kill(pid, unix.SIGTERM); !errors.Is(err, unix.ESRCH) { // it has just ended
		return err
	}
	return nil
}

// detach lets a process live on without this one and its terminal.
func detach(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
