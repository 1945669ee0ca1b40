package host

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// ticks is how many of the units of /proc make a second: USER_HZ, which is 100
// on every system Go runs on.
const ticks = 100

// parseStat reads /proc/stat: the processors, and when the machine started in
// Unix seconds.
func parseStat(text []byte) (c CPU, booted float64, err error) {
	found := false
	for line := range bytes.Lines(text) {
		name, rest, _ := strings.Cut(string(line), " ")
		switch {
		case name == "cpu":
			var n [8]uint64
			if err := numbers(rest, n[:]); err != nil {
				return CPU{}, 0, fmt.Errorf("/proc/stat: cpu: %w", err)
			}
			at := func(i int) float64 { return float64(n[i]) / ticks }
			c.User, c.Nice, c.System, c.Idle, c.IOWait, c.IRQ, c.SoftIRQ, c.Steal = at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)
			found = true
		case strings.HasPrefix(name, "cpu"):
			c.Count++
		case name == "btime":
			var n [1]uint64
			if err := numbers(rest, n[:]); err != nil {
				return CPU{}, 0, fmt.Errorf("/proc/stat: btime: %w", err)
			}
			booted = float64(n[0])
		}
	}
	if !found {
		return CPU{}, 0, fmt.Errorf("/proc/stat: expected a line cpu")
	}
	return c, booted, nil
}

// parseMemory reads /proc/meminfo.
func parseMemory(text []byte) (m Memory, err error) {
	fields := map[string]*uint64{
		"MemTotal": &m.Total, "MemAvailable": &m.Available, "SwapTotal": &m.SwapTotal, "SwapFree": &m.SwapFree,
	}
	found := 0
	for line := range bytes.Lines(text) {
		name, rest, _ := strings.Cut(string(line), ":")
		field := fields[name]
		if field == nil {
			continue
		}
		var n [1]uint64
		if err := numbers(rest, n[:]); err != nil {
			return Memory{}, fmt.Errorf("/proc/meminfo: %s: %w", name, err)
		}
		*field = n[0] << 10 // what it calls kB
		found++
	}
	if found < len(fields) {
		return Memory{}, fmt.Errorf("/proc/meminfo: expected MemTotal, MemAvailable, SwapTotal and SwapFree")
	}
	return m, nil
}

// parseLoad reads /proc/loadavg.
func parseLoad(text []byte) (l Load, err error) {
	fields := strings.Fields(string(text))
	for i, to := range []*float64{&l.One, &l.Five, &l.Fifteen} {
		if i >= len(fields) {
			return Load{}, fmt.Errorf("/proc/loadavg: expected three numbers, found %q", text)
		}
		if *to, err = strconv.ParseFloat(fields[i], 64); err != nil {
			return Load{}, fmt.Errorf("/proc/loadavg: %w", err)
		}
	}
	return l, nil
}

// parseProcess reads /proc/self/stat; booted is when the machine did. The name
// of the program may hold anything, so the fields are counted from its end.
func parseProcess(text []byte, booted float64, pageSize int) (p Process, err error) {
	const utime, stime, threads, started, virtual, resident = 11, 12, 17, 19, 20, 21 // after the name
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= resident {
		return Process{}, fmt.Errorf("/proc/self/stat: expected more than %d fields after the name, found %d", resident, len(fields))
	}
	number := func(i int) uint64 {
		n, wrong := strconv.ParseUint(fields[i], 10, 64)
		if wrong != nil {
			err = fmt.Errorf("/proc/self/stat: %w", wrong)
		}
		return n
	}
	p = Process{
		CPU:      float64(number(utime)+number(stime)) / ticks,
		Threads:  int(number(threads)),
		Started:  booted + float64(number(started))/ticks,
		Virtual:  number(virtual),
		Resident: number(resident) * uint64(pageSize),
	}
	return p, err
}

// parseIO reads /proc/self/io into p.
func parseIO(text []byte, p *Process) error {
	for line := range bytes.Lines(text) {
		name, rest, _ := strings.Cut(string(line), ":")
		var n [1]uint64
		if name != "read_bytes" && name != "write_bytes" {
			continue
		}
		if err := numbers(rest, n[:]); err != nil {
			return fmt.Errorf("/proc/self/io: %s: %w", name, err)
		}
		if name == "read_bytes" {
			p.DiskRead = n[0]
		} else {
			p.DiskWritten = n[0]
		}
	}
	return nil
}

// parseInterfaces reads /proc/self/net/dev: two lines of heading, then one for
// each interface.
func parseInterfaces(text []byte) (all []Interface, err error) {
	for line := range bytes.Lines(text) {
		name, rest, is := strings.Cut(string(line), ":")
		if !is {
			continue
		}
		var n [12]uint64
		if err := numbers(rest, n[:]); err != nil {
			return nil, fmt.Errorf("/proc/self/net/dev: %s: %w", strings.TrimSpace(name), err)
		}
		all = append(all, Interface{
			Name:     strings.TrimSpace(name),
			Received: n[0], ReceivedPackets: n[1], ReceiveErrors: n[2], ReceiveDiscarded: n[3],
			Sent: n[8], SentPackets: n[9], SendErrors: n[10], SendDiscarded: n[11],
		})
	}
	return all, nil
}

// parsePairs finds one value in /proc/self/net/snmp or netstat, in which a line
// of names and one of values, both with the same beginning, follow each other.
func parsePairs(text []byte, beginning, name string) (uint64, error) {
	var names []string
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) == 0 || fields[0] != beginning+":" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, value := range fields {
			if i < len(names) && names[i] == name {
				return strconv.ParseUint(value, 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("expected %s %s", beginning, name)
}

// numbers fills to with the numbers that text begins with.
func numbers(text string, to []uint64) error {
	i := 0
	for field := range strings.FieldsSeq(text) {
		if i == len(to) {
			break
		}
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return err
		}
		to[i] = n
		i++
	}
	if i < len(to) {
		return fmt.Errorf("expected %d numbers, found %d", len(to), i)
	}
	return nil
}

// parseMaps reads /proc/self/smaps and returns where a file lies in the address
// space as it is on the disk: nothing can be written there, and nothing has been,
// as what links a program does to the tables that it closes then.
func parseMaps(maps []byte, file string) (ranges [][2]uintptr, err error) {
	var last [2]uintptr // zero: of no use
	for line := range bytes.Lines(maps) {
		f := bytes.Fields(line)
		switch {
		case len(f) == 3 && string(f[0]) == "Anonymous:": // Anonymous:    0 kB
			if string(f[1]) == "0" && last[1] > 0 {
				ranges = append(ranges, last)
			}
		case len(f) < 5 || len(f[1]) != 4 || f[1][3] != 'p' && f[1][3] != 's':
		case len(f) != 6 || string(f[5]) != file || string(f[1]) != "r-xp" && string(f[1]) != "r--p":
			last = [2]uintptr{}
		default: // 00400000-0142f000 r-xp 00000000 fe:00 123 /usr/bin/dunlin
			from, to, _ := bytes.Cut(f[0], []byte("-"))
			a, wrong := strconv.ParseUint(string(from), 16, 64)
			b, alsoWrong := strconv.ParseUint(string(to), 16, 64)
			if wrong != nil || alsoWrong != nil || a >= b {
				return nil, fmt.Errorf("/proc/self/smaps: %q is no range of addresses", f[0])
			}
			last = [2]uintptr{uintptr(a), uintptr(b)}
		}
	}
	return ranges, nil
}
