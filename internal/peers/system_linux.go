package peers

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is who servers run as when the tests run as root: most refuse to be
// root, or should not be.
const nobody = 65534

// command prepares a process that dies with the test, as nobody if the test is
// root and asUs doesn't forbid it.
func command(argv, env []string, asUs bool) *exec.Cmd {
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}, env...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 && !asUs {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return c
}

// give hands a file to whom servers run as.
func give(t testing.TB, path string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

// pause returns when nothing of the process runs any more. The signal does its
// work once one of the threads has got a processor; on a busy machine the
// others go on answering until then.
func pause(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); runs(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d still runs %v after SIGSTOP", pid, patience)
		}
	}
	return nil
}

// runs reports whether a thread of a process may do something.
func runs(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/stat", pid))
	if err != nil {
		return false
	}
	for _, path := range threads {
		// T is stopped; Z and X are what has ended.
		if state, _, err := readStatus(path); err == nil && state != "T" && state != "Z" && state != "X" {
			return true
		}
	}
	return false
}

func resume(pid int) error { return syscall.Kill(pid, syscall.SIGCONT) }
func kill(pid int)         { syscall.Kill(pid, syscall.SIGKILL) } //nolint:errcheck // it may be gone already

func anyAlive(pids []int) bool {
	for _, pid := range pids {
		// A process that nobody has waited for is a zombie, and holds nothing.
		if state, _, err := status(pid); err == nil && state != "Z" {
			return true
		}
	}
	return false
}

// descendants are the processes that a process has started, and those they
// have started.
func descendants(pid int) []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	children := make(map[int][]int)
	for _, path := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if _, parent, err := status(child); err == nil {
			children[parent] = append(children[parent], child)
		}
	}
	var all []int
	for next := children[pid]; len(next) > 0; next = next[1:] {
		all = append(all, next[0])
		next = append(next, children[next[0]]...)
	}
	return all
}

// status is a process's state and the process that started it; an error means
// that it is gone.
func status(pid int) (state string, parent int, err error) {
	return readStatus("/proc/" + strconv.Itoa(pid) + "/stat")
}

func readStatus(path string) (state string, parent int, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", 0, err
	}
	// The name, in parentheses, may hold anything; state and parent follow.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	parent, err = strconv.Atoi(fields[1])
	return fields[0], parent, err
}
