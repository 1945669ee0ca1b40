package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// socketMode lets nobody but the owner of the process in: that is the login.
const socketMode = 0o600

// Socket is the path of the socket that a node with this data directory can be
// managed through without logging in.
func Socket(dataDir string) string { return filepath.Join(dataDir, "dunlin.sock") }

// listenSocket opens a socket that has its mode from its first moment on. One
// that a killed process has left behind is replaced.
func listenSocket(path string) (net.Listener, error) {
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("another node is running in this data directory: it answers at %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the socket of a node that is gone can't be removed: %w", err)
	}
	lc := net.ListenConfig{Control: restrict}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("the socket of the command line can't be made; node.data_dir may be too long a path for it: %w", err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
