package bench

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseCPU(t *testing.T) {
	parse := func(stat string, want time.Duration) {
		t.Helper()
		got, err := parseCPU([]byte(stat))
		if err != nil || got != want {
			t.Errorf("%q: %v, %v; expected %v", stat, got, err, want)
		}
	}
	parse("12 (mosquitto) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20", 1750*time.Millisecond)
	parse("12 (a ) b (c) S 1 2 3 4 5 6 7 8 9 10 3 0 0", 30*time.Millisecond)
	for _, bad := range []string{"", "12 (x)", "12 (x) S 1 2 3", "1 (x) S 1 2 3 4 5 6 7 8 9 10 x y"} {
		if _, err := parseCPU([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestParseRSS(t *testing.T) {
	if got := parseRSS("Name:\tx\nVmHWM:\t  99 kB\nVmRSS:\t  1234 kB\nThreads:\t1\n"); got != 1234 {
		t.Errorf("got %d KB", got)
	}
	if got := parseRSS("Name:\tkthreadd\n"); got != 0 {
		t.Errorf("without VmRSS: %d KB", got)
	}
}

func TestProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		if _, err := openProcess(os.Getpid()); err == nil {
			t.Error("a system without /proc accounts for processes")
		}
		return
	}
	p, err := openProcess(os.Getpid())
	if err != nil || p.rss() <= 0 {
		t.Fatalf("this process: %v, %d KB", err, p.rss())
	}
	before := p.cpu()
	for end := time.Now().Add(5 * time.Second); p.cpu() == before; {
		if time.Now().After(end) {
			t.Fatal("five seconds of work take no CPU time")
		}
	}
	if _, err := openProcess(1 << 30); err == nil || !strings.Contains(err.Error(), "--pid") {
		t.Errorf("no such process: %v", err)
	}
	if p, err := openProcesses(nil); p.cpu() != 0 || p.rss() != 0 || err != nil {
		t.Errorf("no process asked for: %v", err)
	}
	both, err := openProcesses([]int{os.Getpid(), os.Getppid()})
	if err != nil || both.rss() < p.rss() || both.cpu() < before {
		t.Errorf("two processes: %v, %d KB, %v", err, both.rss(), both.cpu())
	}
}
