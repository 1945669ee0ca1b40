// Package host reads the figures of the machine, of this process and of the Go
// runtime: processors, memory, file systems, network, descriptors, goroutines,
// garbage collection. What there is a system call for is asked by it; the rest
// is read from /proc.
//
// It keeps nothing, watches nothing and judges nothing: each call reads anew,
// and what is too much is for its caller to say. Away from Linux all but the
// runtime's figures are errors.ErrUnsupported. It was weighed against gopsutil
// v4.26.10, which adds 385 kB and four modules to the binary for what stands
// here, lists /proc/self/fd to count descriptors (15 ms with 19,000 of them,
// where one stat(2) takes 20 µs), and knows nothing of the runtime.
package host

// CPU is how long the processors have been at work since the machine started,
// all of them together, in seconds. Guests are part of User and Nice.
type CPU struct {
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ, Steal float64
	Count                                                 int // processors that are on
}

// Usage is the share of time that was spent on work since an earlier reading,
// in percent of all processors: 0 to 100. Waiting for a disk is no work; what
// the hypervisor gave to others is time that was not to be had, and counts.
// Without any time between the readings it is 0.
func (c CPU) Usage(before CPU) float64 {
	all := c.total() - before.total()
	idle := c.Idle + c.IOWait - before.Idle - before.IOWait
	if all <= 0 {
		return 0
	}
	return min(max(100*(all-idle)/all, 0), 100)
}

func (c CPU) total() float64 {
	return c.User + c.Nice + c.System + c.Idle + c.IOWait + c.IRQ + c.SoftIRQ + c.Steal
}

// Memory is that of the machine, in bytes.
type Memory struct {
	Total     uint64
	Available uint64 // to be had without swapping: free, and caches that can be dropped
	SwapTotal uint64
	SwapFree  uint64
}

// Used is what can't be had.
func (m Memory) Used() uint64 { return m.Total - min(m.Available, m.Total) }

// Usage is Used in percent of Total.
func (m Memory) Usage() float64 {
	if m.Total == 0 {
		return 0
	}
	return 100 * float64(m.Used()) / float64(m.Total)
}

// Load is how many threads ran or wanted to, on average over the last 1, 5 and
// 15 minutes.
type Load struct{ One, Five, Fifteen float64 }

// FileSystem is that of one folder.
type FileSystem struct {
	Total, Available uint64 // bytes; Available is what this process may still write
	Files, FilesFree uint64 // 0, 0: the file system has no such bound
}

// Interface is one of the network, as this process's namespace has it. The
// counts are since it came up.
type Interface struct {
	Name                            string
	Received, Sent                  uint64 // bytes
	ReceivedPackets, SentPackets    uint64
	ReceiveErrors, SendErrors       uint64
	ReceiveDiscarded, SendDiscarded uint64 // packets that there was no room for
}

// TCP counts what goes wrong below the listeners, for all sockets of the
// machine (or of the namespace this process is in).
type TCP struct {
	Retransmitted  uint64 // segments sent again
	ListenOverflow uint64 // connections lost because a listener's backlog was full
}

// Process is this process.
type Process struct {
	CPU         float64 // seconds of processors, those of the kernel for it included
	Resident    uint64  // bytes of memory that are its own and in use
	Virtual     uint64  // bytes of address space
	Threads     int
	OpenFiles   uint64  // descriptors
	MaxFiles    uint64  // how many it may have
	Started     float64 // Unix seconds
	DiskRead    uint64  // bytes that had to be fetched for it
	DiskWritten uint64  // bytes that it caused to be written
}
