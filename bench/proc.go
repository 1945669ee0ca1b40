package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// process accounts for another process, the broker's, by what Linux tells of
// it under /proc.
type process struct {
	stat, status string // paths
}

// ticksPerSecond is the unit of the times in /proc/PID/stat: USER_HZ, which is
// 100 on every architecture that Go runs on.
const ticksPerSecond = 100

// processes are accounted for together, for a broker of several nodes.
type processes []*process

// openProcesses returns an error if one of them does not run.
func openProcesses(pids []int) (all processes, err error) {
	for _, pid := range pids {
		p, err := openProcess(pid)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// cpu is the user and system time that they have spent so far.
func (all processes) cpu() (sum time.Duration) {
	for _, p := range all {
		sum += p.cpu()
	}
	return sum
}

// rss is their resident memory in KB.
func (all processes) rss() (sum int64) {
	for _, p := range all {
		sum += p.rss()
	}
	return sum
}

func openProcess(pid int) (*process, error) {
	p := &process{stat: fmt.Sprintf("/proc/%d/stat", pid), status: fmt.Sprintf("/proc/%d/status", pid)}
	if _, err := p.readCPU(); err != nil {
		return nil, fmt.Errorf("--pid: %w", err)
	}
	return p, nil
}

// cpu is the user and system time spent so far; 0 once the process is gone,
// which the report shows as a negative figure.
func (p *process) cpu() time.Duration {
	d, err := p.readCPU()
	if err != nil {
		return 0
	}
	return d
}

func (p *process) readCPU() (time.Duration, error) {
	text, err := os.ReadFile(p.stat)
	if err != nil {
		return 0, err
	}
	return parseCPU(text)
}

// parseCPU reads fields 14 and 15 of proc_pid_stat(5). Field 2 is the program's
// name in brackets and may hold anything, so counting begins behind it.
func parseCPU(stat []byte) (time.Duration, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("/proc/PID/stat has fewer fields than expected")
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return 0, fmt.Errorf("/proc/PID/stat: %w", err)
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond, nil
}

// rss is the resident memory in KB, 0 once the process is gone.
func (p *process) rss() int64 {
	text, err := os.ReadFile(p.status)
	if err != nil {
		return 0
	}
	return parseRSS(string(text))
}

func parseRSS(status string) int64 {
	_, rest, _ := strings.Cut(status, "\nVmRSS:")
	line, _, _ := strings.Cut(rest, "\n")
	kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(line), " kB"), 10, 64)
	if err != nil {
		return 0 // a kernel thread or a zombie has none
	}
	return kb
}
