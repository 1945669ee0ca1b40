package host

import (
	"fmt"
	"strings"
	"testing"
)

// check compares what a parser made of a text with what it should have, written with %+v; want beginning with "!" is a
// part of its error.
func check[T any](t *testing.T, text, want string, parse func([]byte) (T, error)) {
	t.Helper()
	got, err := parse([]byte(text))
	if part, bad := strings.CutPrefix(want, "!"); bad {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %+v, %v; want an error with %q", text, got, err, part)
		}
		return
	}
	if s := fmt.Sprintf("%+v", got); err != nil || s != want {
		t.Errorf("%q:\n got %s, %v\nwant %s", text, s, err, want)
	}
}

const (
	statText = "cpu  1341010 36229 385550 1354933 8768 10 65559 632 0 0\ncpu0 661408 17526 189419 692995 2619 0 31871 301 0 0\n" +
		"cpu1 679601 18702 196131 661937 6149 0 33687 330 0 0\nintr 5 0 0\nctxt 99\nbtime 1763871234\nprocesses 7\n"
	memoryText  = "MemTotal:       24689664 kB\nMemFree: 1 kB\nMemAvailable:   20000000 kB\nSwapTotal:  8 kB\nSwapFree:  4 kB\nHugePages_Total:  0\n"
	processText = "77 (a (b) c) S 1 77 77 0 -1 4194304 5000 0 3 0 150 50 0 0 20 0 9 0 12345 734003200 4096 18446744073709551615 1 1\n"
	devText     = "Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n" +
		"    lo:  1000  10    1    2    0     0          0         0   2000  20    3    4    0     0       0          0\n" +
		"eth0:17 1 0 0 0 0 0 0 18 2 0 0 0 0 0 0\n"
	snmpText = "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoAlgorithm MaxConn RetransSegs InErrs\nTcp: 1 -1 42 0\n"
)

func TestParseStat(t *testing.T) {
	cpu := func(text []byte) (string, error) {
		c, booted, err := parseStat(text)
		return fmt.Sprintf("%+v %.0f", c, booted), err
	}
	check(t, statText, "{User:13410.1 Nice:362.29 System:3855.5 Idle:13549.33 IOWait:87.68 IRQ:0.1 SoftIRQ:655.59 Steal:6.32 Count:2} 1763871234", cpu)
	check(t, "", "!expected a line cpu", cpu)
	check(t, "cpu 1 2 3\n", "!expected 8 numbers, found 3", cpu)
	check(t, "cpu 1 2 3 4 5 6 7 x\n", "!cpu: ", cpu)
	check(t, "cpu 1 2 3 4 5 6 7 8\nbtime x\n", "!btime: ", cpu)
}

func TestParseMemory(t *testing.T) {
	check(t, memoryText, "{Total:25282215936 Available:20480000000 SwapTotal:8192 SwapFree:4096}", parseMemory)
	check(t, "MemTotal: 5 kB\n", "!expected MemTotal, MemAvailable", parseMemory)
	check(t, "MemTotal: much\n", "!MemTotal: ", parseMemory)
}

func TestParseLoad(t *testing.T) {
	check(t, "0.50 1.25 10.00 3/456 789\n", "{One:0.5 Five:1.25 Fifteen:10}", parseLoad)
	check(t, "0.50 1.25", "!expected three numbers", parseLoad)
	check(t, "a b c", "!parsing", parseLoad)
}

func TestParseProcess(t *testing.T) {
	process := func(text []byte) (Process, error) { return parseProcess(text, 1000, 4096) }
	check(t, processText,
		"{CPU:2 Resident:16777216 Virtual:734003200 Threads:9 OpenFiles:0 MaxFiles:0 Started:1123.45 DiskRead:0 DiskWritten:0}", process)
	check(t, "77 (dunlin) S 1 2", "!expected more than 21 fields", process)
	check(t, strings.Replace(processText, " 150 ", " x ", 1), "!/proc/self/stat: ", process)
}

func TestParseIO(t *testing.T) {
	io := func(text []byte) (Process, error) {
		var p Process
		err := parseIO(text, &p)
		return p, err
	}
	check(t, "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 9\n",
		"{CPU:0 Resident:0 Virtual:0 Threads:0 OpenFiles:0 MaxFiles:0 Started:0 DiskRead:4096 DiskWritten:8192}", io)
	check(t, "read_bytes:\n", "!read_bytes: ", io)
}

func TestParseInterfaces(t *testing.T) {
	check(t, devText, "[{Name:lo Received:1000 Sent:2000 ReceivedPackets:10 SentPackets:20 ReceiveErrors:1 SendErrors:3 ReceiveDiscarded:2 SendDiscarded:4} "+
		"{Name:eth0 Received:17 Sent:18 ReceivedPackets:1 SentPackets:2 ReceiveErrors:0 SendErrors:0 ReceiveDiscarded:0 SendDiscarded:0}]", parseInterfaces)
	check(t, "lo: 1 2 3\n", "!lo: expected 12 numbers", parseInterfaces)
	check(t, "", "[]", parseInterfaces)
}

func TestParsePairs(t *testing.T) {
	pair := func(beginning, name, want string) {
		t.Helper()
		check(t, snmpText, want, func(text []byte) (uint64, error) { return parsePairs(text, beginning, name) })
	}
	pair("Tcp", "RetransSegs", "42")
	pair("Ip", "DefaultTTL", "64")
	pair("Tcp", "MaxConn", "!parsing") // it may be -1; nobody asks for it
	pair("Tcp", "Nothing", "!expected Tcp Nothing")
	pair("Udp", "InErrs", "!expected Udp InErrs")
}

// FuzzParse feeds every parser: none may panic, and none may read more out of a text than it holds.
func TestParseMaps(t *testing.T) {
	parse := func(text []byte) ([][2]uintptr, error) { return parseMaps(text, "/usr/bin/dunlin") }
	const untouched = "Size: 2048 kB\nAnonymous:             0 kB\nVmFlags: rd ex mr mw me\n"
	const text = "00400000-00600000 r-xp 00000000 fe:00 123                /usr/bin/dunlin\n" + untouched +
		"00600000-00a00000 r--p 00200000 fe:00 123                /usr/bin/dunlin\n" + untouched +
		"00a00000-00a10000 r--p 00600000 fe:00 123                /usr/bin/dunlin\nAnonymous:             4 kB\n" + // written to before
		"00a10000-00b00000 rw-p 00600000 fe:00 123                /usr/bin/dunlin\n" + untouched +
		"00b00000-00c00000 r--s 00600000 fe:00 123                /usr/bin/dunlin\n" + untouched +
		"c000000000-c000400000 rw-p 00000000 00:00 0 \n" + untouched +
		"7f0000000000-7f0000001000 r-xp 00000000 fe:00 9          /usr/lib/libc.so.6\n" + untouched +
		"7f0000002000-7f0000003000 r-xp 00000000 fe:00 124        /usr/bin/dunlin (deleted)\n" + untouched
	check(t, text, "[[4194304 6291456] [6291456 10485760]]", parse)
	check(t, "", "[]", parse)
	check(t, "Anonymous: 0 kB\n", "[]", parse)
	check(t, "x-y r-xp 00000000 fe:00 123 /usr/bin/dunlin\n", "!no range of addresses", parse)
	check(t, "2000-1000 r-xp 00000000 fe:00 123 /usr/bin/dunlin\n", "!no range of addresses", parse)
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{statText, memoryText, processText, devText, snmpText, "0.5 1 2", "read_bytes: 5\n", ")", "cpu\ncpu", "Tcp:\nTcp: 1 2"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, _, err := parseStat(text); err == nil && c.total() < 0 {
			t.Errorf("%+v", c)
		}
		if all, err := parseInterfaces(text); err == nil && len(all) > strings.Count(string(text), ":") {
			t.Errorf("%d interfaces", len(all))
		}
		_, _ = parseMemory(text)
		_, _ = parseLoad(text)
		_, _ = parseProcess(text, 0, 4096)
		_, _ = parsePairs(text, "Tcp", "RetransSegs")
		_ = parseIO(text, new(Process))
		_, _ = parseMaps(text, "dunlin")
	})
}
