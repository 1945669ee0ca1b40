//go:build linux

package server

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/dunlin-mq/dunlin/internal/race"
)

const (
	memoryServer = "DUNLIN_TEST_MEMORY_SERVER" // set in the process that is measured

	// maxIdleTLS is the memory that a TLS connection on which nothing happens
	// may cost this process, in bytes.
	maxIdleTLS = 20 << 10
)

// TestIdleTLSMemory measures a server in a process of its own: its resident
// memory for each of many connections that have subscribed to nothing.
func TestIdleTLSMemory(t *testing.T) {
	if os.Getenv(memoryServer) != "" {
		ts := startTestServer(t, "ssl.a = 127.0.0.1:0")
		fmt.Println("listening", ts.addr("ssl"))
		io.Copy(io.Discard, os.Stdin) // until the other process ends
		return
	}
	if testing.Short() || race.Enabled {
		t.Skip("takes a while, and the race detector needs memory of its own")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestIdleTLSMemory$")
	cmd.Env = append(os.Environ(), memoryServer+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if err != nil || !ok {
		t.Fatalf("%q, %v", line, err)
	}

	var open []net.Conn
	defer func() {
		for _, nc := range open {
			nc.Close()
		}
	}()
	grow := func(n int) (rss int) {
		t.Helper()
		for len(open) < n {
			raw, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			nc := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.CurveP256}})
			open = append(open, raw)
			talk(t, nc, connectPacket(fmt.Sprint("client", n, len(open))), connack)
		}
		time.Sleep(time.Second)
		return residentBytes(t, cmd.Process.Pid)
	}
	const few, many = 500, 2500
	from, cpu := grow(few), processorTime(t, cmd.Process.Pid)
	each := (grow(many) - from) / (many - few)
	cpu = (processorTime(t, cmd.Process.Pid) - cpu) / (many - few)
	t.Logf("%d bytes for each idle TLS connection, %v of processor time for its handshake and CONNECT", each, cpu)
	if each > maxIdleTLS {
		t.Errorf("an idle TLS connection takes %d bytes, want at most %d", each, maxIdleTLS)
	}
}

// residentBytes is the resident memory of a process.
func residentBytes(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// processorTime is what a process has used, of user and system together.
func processorTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after) // from the third on, proc(5)
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// TestConnSize: a connection takes 352 bytes of heap; one field more and it is
// 384. What few connections need goes behind one of its pointers.
func TestConnSize(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size != 352 && unsafe.Sizeof(uintptr(0)) == 8 {
		t.Errorf("a conn takes %d bytes, want 352", size)
	}
}
