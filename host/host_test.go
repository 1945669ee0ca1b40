package host

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCPUUsage(t *testing.T) {
	usage := func(before, after CPU, want float64) {
		t.Helper()
		if got := after.Usage(before); math.Abs(got-want) > 1e-9 {
			t.Errorf("from %+v to %+v: %v %%, want %v", before, after, got, want)
		}
	}
	usage(CPU{}, CPU{}, 0)
	usage(CPU{User: 5, Idle: 5}, CPU{User: 5, Idle: 5}, 0)
	usage(CPU{User: 5, Idle: 5}, CPU{User: 8, Idle: 6}, 75)
	usage(CPU{}, CPU{System: 1, IOWait: 1, Steal: 1, Idle: 1}, 50)
	usage(CPU{User: 10, Idle: 10}, CPU{User: 1, Idle: 1}, 0)    // the counts went back
	usage(CPU{User: 10, Idle: 10}, CPU{User: 20, Idle: 9}, 100) // idle time of Linux does at times
}

func TestMemoryUsage(t *testing.T) {
	usage := func(m Memory, used uint64, percent float64) {
		t.Helper()
		if m.Used() != used || m.Usage() != percent {
			t.Errorf("%+v: %d used, %v %%; want %d, %v", m, m.Used(), m.Usage(), used, percent)
		}
	}
	usage(Memory{}, 0, 0)
	usage(Memory{Total: 200, Available: 150}, 50, 25)
	usage(Memory{Total: 200, Available: 300}, 0, 0)
}

// must has what this machine says; away from Linux the test ends here.
func must[T any](t *testing.T, read func() (T, error)) T {
	t.Helper()
	if runtime.GOOS != "linux" {
		if os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" {
			t.Fatal("/proc is needed and DUNLIN_REQUIRE_PEERS=1: test on Linux")
		}
		t.Skip("read from /proc, on Linux only")
	}
	v, err := read()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestThisMachine(t *testing.T) {
	cpu := must(t, ReadCPU)
	if cpu.Count < 1 || cpu.total() <= 0 || cpu.Idle < 0 {
		t.Errorf("%+v", cpu)
	}
	if m := must(t, ReadMemory); m.Total == 0 || m.Available > m.Total || m.SwapFree > m.SwapTotal {
		t.Errorf("%+v", m)
	}
	if l := must(t, ReadLoad); l.One < 0 || l.Fifteen < 0 {
		t.Errorf("%+v", l)
	}
	all := must(t, ReadInterfaces)
	if !slices.ContainsFunc(all, func(i Interface) bool { return i.Name == "lo" }) {
		t.Errorf("no loopback interface in %+v", all)
	}
	must(t, ReadTCP)
	fs := must(t, func() (FileSystem, error) { return ReadFileSystem(t.TempDir()) })
	if fs.Total == 0 || fs.Available > fs.Total || fs.FilesFree > fs.Files {
		t.Errorf("%+v", fs)
	}
	if _, err := ReadFileSystem(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("the file system of no folder")
	}
}

func TestThisProcess(t *testing.T) {
	before := must(t, ReadProcess)
	if before.Resident < 1<<20 || before.Virtual < before.Resident || before.Threads < 1 {
		t.Errorf("%+v", before)
	}
	if age := time.Since(time.UnixMilli(int64(before.Started * 1000))); age < -time.Minute || age > time.Hour {
		t.Errorf("started %v ago", age)
	}
	const more = 20
	for range more {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
	}
	after := must(t, ReadProcess)
	if opened := int(after.OpenFiles) - int(before.OpenFiles); opened < more || opened > more+5 {
		t.Errorf("%d descriptors after %d were opened beside %d", after.OpenFiles, more, before.OpenFiles)
	}
	if after.MaxFiles < after.OpenFiles {
		t.Errorf("%d descriptors of %d", after.OpenFiles, after.MaxFiles)
	}
	// Work has to show. How much of it a busy machine lets be done is not known.
	for until := time.Now().Add(time.Minute); must(t, ReadProcess).CPU < before.CPU+0.01; {
		if time.Now().After(until) {
			t.Fatal("a minute of work doesn't show in CPU")
		}
	}
}

// TestTrimProgram: what was given back comes again when it is needed.
func TestTrimProgram(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it is for Linux only")
	}
	for range 2 {
		looked, err := TrimProgram()
		if err != nil || looked < 1<<20 {
			t.Errorf("%d bytes of the program, %v", looked, err)
		}
		if s := fmt.Sprint(strings.ToUpper("still "), 42); s != "STILL 42" {
			t.Error(s)
		}
	}
}

func TestRuntime(t *testing.T) {
	before := ReadRuntime()
	if before.Processors != uint64(runtime.GOMAXPROCS(0)) || before.Mapped < before.Heap || before.Heap == 0 || before.Stacks == 0 || before.HeapGoal == 0 {
		t.Errorf("%+v", before)
	}
	stop := make(chan struct{})
	for range 10 {
		go func() { <-stop }()
	}
	kept := make([]byte, 1<<20)
	runtime.GC()
	after := ReadRuntime()
	close(stop)
	// Of those before, some may have ended meanwhile.
	if after.Goroutines <= 10 || after.Collections <= before.Collections || after.Allocated < before.Allocated+uint64(len(kept)) {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if n := total(after.Pauses.Counts) - total(before.Pauses.Counts); n < 1 {
		t.Errorf("%d pauses for a collection", n)
	}
	if total(after.Delays.Counts) == 0 || len(after.Delays.Counts) != len(after.Delays.Bounds)+1 {
		t.Errorf("%+v", after.Delays)
	}
}

func total(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func TestCondense(t *testing.T) {
	h := &metrics.Float64Histogram{
		Buckets: []float64{math.Inf(-1), 0, 1, 2, 3, 4, math.Inf(1)},
		Counts:  []uint64{1, 10, 100, 1000, 10000, 100000},
	}
	condensed := func(bounds []float64, want ...uint64) {
		t.Helper()
		if d := condense(h, bounds); !slices.Equal(d.Counts, want) || !slices.Equal(d.Bounds, bounds) {
			t.Errorf("%v: %+v, want %v", bounds, d, want)
		}
	}
	condensed([]float64{2, 4}, 111, 11000, 100000)
	condensed([]float64{1.5}, 11, 111100)        // 1 to 2 lies across the bound
	condensed([]float64{5, 6}, 11111, 0, 100000) // what has no end is above every bound
	condensed([]float64{0.5, 0.6, 4}, 1, 0, 11110, 100000)
}

func BenchmarkProcess(b *testing.B) { bench(b, ReadProcess) }
func BenchmarkCPU(b *testing.B)     { bench(b, ReadCPU) }
func BenchmarkMemory(b *testing.B)  { bench(b, ReadMemory) }
func BenchmarkTCP(b *testing.B)     { bench(b, ReadTCP) }
func BenchmarkRuntime(b *testing.B) {
	bench(b, func() (Runtime, error) { return ReadRuntime(), nil })
}

func bench[T any](b *testing.B, read func() (T, error)) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := read(); err != nil {
			b.Fatal(err)
		}
	}
}
