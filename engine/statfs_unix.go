//go:build linux || darwin || freebsd

package engine

import "golang.org/x/sys/unix"

// freeBytes is what may still be written to the file system of a folder.
func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(max(int64(s.Bavail), 0)) * uint64(s.Bsize), nil
}
