package host

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// TrimProgram gives back the pages of the program's file that have been read
// into this process and not changed: most of them were needed once, at its
// start. Those that are needed again come back from the system's cache, 16 at a
// time, without a disk being read. It returns how many bytes of the file lie in
// what was given back.
func TrimProgram() (looked uint64, err error) {
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return 0, err
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return 0, err
	}
	ranges, err := parseMaps(maps, program)
	for _, r := range ranges {
		if _, _, wrong := syscall.Syscall(syscall.SYS_MADVISE, r[0], r[1]-r[0], syscall.MADV_DONTNEED); wrong != 0 {
			err = errors.Join(err, fmt.Errorf("madvise: %w", wrong))
			continue
		}
		looked += uint64(r[1] - r[0])
	}
	return looked, err
}
