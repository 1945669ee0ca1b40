package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCtlTraceOnAFullDisk: the clients are served, what is lost is told in the
// list and in the log, and in the file once there is room again.
func TestCtlTraceOnAFullDisk(t *testing.T) {
	small := t.TempDir()
	_, err := exec.LookPath("mosquitto_pub")
	if err == nil {
		err = syscall.Mount("tmpfs", small, "tmpfs", 0, "size=64k")
	}
	if err != nil {
		if promised {
			t.Fatal("a small disk and mosquitto_pub are needed and DUNLIN_REQUIRE_PEERS=1:", err)
		}
		t.Skip("no small disk could be mounted, TestTraceOnAFullDisk of package trace stands in:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	})
	dir, file, filler := t.TempDir(), filepath.Join(small, "t.log"), filepath.Join(small, "filler")
	if err := os.WriteFile(filler, make([]byte, 40<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "DUNLIN_NODE__DATA_DIR="+dir)
	t.Cleanup(func() { // before the disk is gone
		p.Process.Kill()
		p.Wait()
	})
	_, port, _ := strings.Cut(p.addr, ":")
	ctl := func(want string, args ...string) string {
		t.Helper()
		var out string
		for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			out, _ = execute(t, nil, append([]string{"ctl", "--data-dir", dir}, args...)...)
			if regexp.MustCompile(want).MatchString(out) {
				return out
			}
			if time.Now().After(until) {
				t.Fatalf("%v: %s\nwant %s", args, out, want)
			}
		}
	}
	publish := func(n int) {
		t.Helper()
		c := exec.Command("mosquitto_pub", "-p", port, "-i", "c1", "-q", "1", "-t", "t", "-l")
		c.Stdin = strings.NewReader(strings.Repeat(strings.Repeat("x", 900)+"\n", n))
		if said, err := c.CombinedOutput(); err != nil || len(said) > 0 {
			t.Fatalf("%v %s", err, said)
		}
	}
	ctl("successfully", "trace", "start", "client", "c1", file)
	publish(100) // 100 kB and more
	ctl(`Trace\(clientid=c1, .*\n  [1-9][0-9]* lines could not be written\n`, "trace", "list")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	publish(1)
	ctl("successfully", "trace", "stop", "client", "c1")
	text, err := os.ReadFile(file)
	if err != nil || !regexp.MustCompile(`event="lines are lost" lines=[1-9]`).Match(text) || !regexp.MustCompile(`reason=stopped lost=[1-9][0-9]*\n$`).Match(text) {
		t.Errorf("the end is %s %v", text[max(0, len(text)-1000):], err)
	}
	if strings.Count(string(text), "\n") != strings.Count(string(text), "\ntime=")+1 {
		t.Errorf("half a line is in the file:\n%s", text)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.Wait()
	if said := p.out.String(); strings.Count(said, "a trace can't be written, its lines are lost") == 0 || !strings.Contains(said, "no space left on device") {
		t.Errorf("the log has\n%s", said)
	}
}
