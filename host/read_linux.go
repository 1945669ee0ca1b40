package host

import (
	"fmt"
	"os"
	"syscall"
)

// ReadCPU reads what the processors have done.
func ReadCPU() (CPU, error) {
	c, _, err := readStat()
	return c, err
}

func readStat() (CPU, float64, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return CPU{}, 0, err
	}
	return parseStat(text)
}

// ReadMemory reads the machine's memory.
func ReadMemory() (Memory, error) { return read("/proc/meminfo", parseMemory) }

// ReadLoad reads the load averages.
func ReadLoad() (Load, error) { return read("/proc/loadavg", parseLoad) }

// ReadInterfaces reads what went over the network, by interface.
func ReadInterfaces() ([]Interface, error) { return read("/proc/self/net/dev", parseInterfaces) }

// ReadTCP reads what went wrong with connections.
func ReadTCP() (t TCP, err error) {
	find := func(file, beginning, name string) uint64 {
		n, wrong := read(file, func(text []byte) (uint64, error) { return parsePairs(text, beginning, name) })
		if wrong != nil {
			err = fmt.Errorf("%s: %w", file, wrong)
		}
		return n
	}
	t.Retransmitted = find("/proc/self/net/snmp", "Tcp", "RetransSegs")
	t.ListenOverflow = find("/proc/self/net/netstat", "TcpExt", "ListenOverflows")
	return t, err
}

// ReadFileSystem reads how full the file system of a folder is. It may block as
// long as that file system does.
func ReadFileSystem(dir string) (FileSystem, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return FileSystem{}, fmt.Errorf("%s: its file system can't be asked: %w", dir, err)
	}
	size := uint64(s.Bsize)
	return FileSystem{Total: s.Blocks * size, Available: s.Bavail * size, Files: s.Files, FilesFree: s.Ffree}, nil
}

// ReadProcess reads the figures of this process. What it did to disks is left
// at zero where the system doesn't tell, as in some containers.
func ReadProcess() (Process, error) {
	_, booted, err := readStat()
	if err != nil {
		return Process{}, err
	}
	p, err := read("/proc/self/stat", func(text []byte) (Process, error) { return parseProcess(text, booted, os.Getpagesize()) })
	if err != nil {
		return Process{}, err
	}
	if text, err := os.ReadFile("/proc/self/io"); err == nil {
		if err := parseIO(text, &p); err != nil {
			return Process{}, err
		}
	}
	p.OpenFiles, p.MaxFiles, err = ReadFiles()
	return p, err
}

// ReadFiles reads how many descriptors this process has, and how many it may
// have. Since Linux 6.2 this takes some microseconds; before, the longer the
// more there are: nearly one each.
func ReadFiles() (open, most uint64, err error) {
	const descriptors = "/proc/self/fd"
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, 0, fmt.Errorf("the limit of descriptors can't be read: %w", err)
	}
	info, err := os.Stat(descriptors)
	if err != nil {
		return 0, 0, err
	}
	if n := info.Size(); n > 0 {
		return uint64(n), limit.Cur, nil
	}
	d, err := os.Open(descriptors)
	if err != nil {
		return 0, 0, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return uint64(max(len(names)-1, 0)), limit.Cur, err // d is among them
}

func read[T any](file string, parse func([]byte) (T, error)) (T, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		var none T
		return none, err
	}
	return parse(text)
}
