package api

import (
	"time"

	"github.com/dunlin-mq/dunlin/host"
	"github.com/dunlin-mq/dunlin/metrics"
)

// one writes a family of one value without labels.
func one(x *metrics.Exposition, name, help string, kind metrics.Kind, v float64) {
	x.Family(name, help, kind)
	x.Value(v)
}

func gauge(x *metrics.Exposition, name, help string, v float64) {
	one(x, name, help, metrics.KindGauge, v)
}

func counter(x *metrics.Exposition, name, help string, v float64) {
	one(x, name, help, metrics.KindCounter, v)
}

// machine writes the figures of the machine. What can't be read is left out:
// a zero would be a lie, and Prometheus has absent() for what is missing.
func (e *exporter) machine(x *metrics.Exposition) {
	if c, err := host.ReadCPU(); err == nil {
		x.Family("dunlin_host_cpu_seconds_total", "what the processors of the machine have spent their time on", metrics.KindCounter)
		x.Value(c.User, "mode", "user")
		x.Value(c.Nice, "mode", "nice")
		x.Value(c.System, "mode", "system")
		x.Value(c.Idle, "mode", "idle")
		x.Value(c.IOWait, "mode", "iowait")
		x.Value(c.IRQ, "mode", "irq")
		x.Value(c.SoftIRQ, "mode", "softirq")
		x.Value(c.Steal, "mode", "steal")
		gauge(x, "dunlin_host_cpus", "processors of the machine", float64(c.Count))
	}
	if m, err := host.ReadMemory(); err == nil {
		gauge(x, "dunlin_host_memory_total_bytes", "memory of the machine", float64(m.Total))
		gauge(x, "dunlin_host_memory_available_bytes", "memory to be had without swapping", float64(m.Available))
		gauge(x, "dunlin_host_swap_total_bytes", "swap space of the machine", float64(m.SwapTotal))
		gauge(x, "dunlin_host_swap_free_bytes", "swap space that is free", float64(m.SwapFree))
	}
	if l, err := host.ReadLoad(); err == nil {
		x.Family("dunlin_host_load", "threads that ran or wanted to, on average over the last minutes", metrics.KindGauge)
		x.Value(l.One, "minutes", "1")
		x.Value(l.Five, "minutes", "5")
		x.Value(l.Fifteen, "minutes", "15")
	}
	if f, err := host.ReadFileSystem(e.server.o.DataDir); err == nil {
		gauge(x, "dunlin_data_dir_total_bytes", "size of the file system of node.data_dir", float64(f.Total))
		gauge(x, "dunlin_data_dir_available_bytes", "what may still be written to it", float64(f.Available))
	}
	network(x)
}

// network writes what went over the interfaces.
func network(x *metrics.Exposition) {
	all, err := host.ReadInterfaces()
	if len(all) > 0 && err == nil {
		each := func(name, help string, value func(*host.Interface) uint64) {
			x.Family(name, help, metrics.KindCounter)
			for i := range all {
				x.Value(float64(value(&all[i])), "interface", all[i].Name)
			}
		}
		each("dunlin_host_network_received_bytes_total", "bytes that came in", func(i *host.Interface) uint64 { return i.Received })
		each("dunlin_host_network_sent_bytes_total", "bytes that went out", func(i *host.Interface) uint64 { return i.Sent })
		each("dunlin_host_network_errors_total", "packets that were damaged, or that there was no room for",
			func(i *host.Interface) uint64 {
				return i.ReceiveErrors + i.SendErrors + i.ReceiveDiscarded + i.SendDiscarded
			})
	}
	if t, err := host.ReadTCP(); err == nil {
		counter(x, "dunlin_host_tcp_retransmitted_total", "TCP segments of the machine that were sent again", float64(t.Retransmitted))
		counter(x, "dunlin_host_tcp_listen_overflows_total", "connections lost because a listener's backlog was full", float64(t.ListenOverflow))
	}
}

// process writes the figures of this process, under the names that Prometheus
// has for those of every process.
func process(x *metrics.Exposition) {
	p, err := host.ReadProcess()
	if err != nil {
		return
	}
	counter(x, "process_cpu_seconds_total", "seconds of processors that the process used", p.CPU)
	gauge(x, "process_resident_memory_bytes", "memory of the process that is in use", float64(p.Resident))
	gauge(x, "process_virtual_memory_bytes", "address space of the process", float64(p.Virtual))
	gauge(x, "process_open_fds", "descriptors that are open", float64(p.OpenFiles))
	gauge(x, "process_max_fds", "descriptors that may be open", float64(p.MaxFiles))
	gauge(x, "process_threads", "threads of the process", float64(p.Threads))
	gauge(x, "process_start_time_seconds", "when it was started, in Unix seconds", p.Started)
	counter(x, "process_disk_read_bytes_total", "bytes fetched from disks for the process", float64(p.DiskRead))
	counter(x, "process_disk_written_bytes_total", "bytes that it caused to be written to disks", float64(p.DiskWritten))
}

// goRuntime writes the figures of the Go runtime, under the usual names where
// there are any.
func goRuntime(x *metrics.Exposition) {
	r := host.ReadRuntime()
	gauge(x, "go_goroutines", "goroutines", float64(r.Goroutines))
	gauge(x, "go_goroutines_runnable", "goroutines that could run and wait for a processor", float64(r.Runnable))
	gauge(x, "go_sched_gomaxprocs_threads", "goroutines that may run at once", float64(r.Processors))
	gauge(x, "go_memory_mapped_bytes", "memory got from the system and not given back", float64(r.Mapped))
	gauge(x, "go_memstats_heap_alloc_bytes", "objects, those not yet collected included", float64(r.Heap))
	gauge(x, "go_memstats_stack_inuse_bytes", "stacks of goroutines", float64(r.Stacks))
	gauge(x, "go_memstats_next_gc_bytes", "size of the heap at which the next collection is to be over", float64(r.HeapGoal))
	counter(x, "go_memstats_alloc_bytes_total", "bytes of all objects ever made", float64(r.Allocated))
	counter(x, "go_memstats_mallocs_total", "objects ever made", float64(r.Objects))
	counter(x, "go_gc_cycles_total", "collections", float64(r.Collections))
	counter(x, "go_mutex_wait_seconds_total", "time that goroutines have waited for each other", r.MutexWait)
	distribution(x, "go_gc_pauses_seconds", "how long collections stopped everything", r.Pauses)
	distribution(x, "go_sched_latencies_seconds", "how long goroutines that could run waited for a processor", r.Delays)
}

// distribution writes a histogram. The runtime keeps no sum; it is taken from
// the bounds, which is never too little.
func distribution(x *metrics.Exposition, name, help string, d host.Distribution) {
	sum := 0.0
	for i, n := range d.Counts {
		sum += float64(n) * d.Bounds[min(i, len(d.Bounds)-1)]
	}
	x.Family(name, help, metrics.KindHistogram)
	x.Histogram(d.Bounds, d.Counts, sum)
}

// shortest is how much time must pass between two readings that a usage is
// made of.
const shortest = time.Second

// virtualMachine are the figures that EMQ X has of the Erlang VM and the
// cluster, as far as there is something like them here.
func (e *exporter) virtualMachine() []emqxPoint {
	all := make([]emqxPoint, 0, e.points+16)
	add := func(name, help string, v float64) {
		all = append(all, emqxPoint{emqxName{"emqx_" + name, "metrics"}, help, metrics.KindGauge, v})
	}
	if c, err := host.ReadCPU(); err == nil {
		if now := time.Now(); now.Sub(e.read) >= shortest {
			e.cpu, e.usage, e.read = c, c.Usage(e.cpu), now
		}
		add("vm_cpu_use", "percent of the machine's processors at work since the last scrape", e.usage)
		add("vm_cpu_idle", "percent that was not", 100-e.usage)
	}
	add("vm_run_queue", "goroutines that could run and wait for a processor", float64(host.ReadRuntime().Runnable))
	add("vm_process_messages_in_queues", "always 0, as it is in EMQ X 4", 0)
	if m, err := host.ReadMemory(); err == nil {
		add("vm_total_memory", "bytes of memory of the machine", float64(m.Total))
		add("vm_used_memory", "bytes of it that are not to be had", float64(m.Used()))
	}
	add("cluster_nodes_running", "nodes that run", 1)
	add("cluster_nodes_stopped", "nodes that don't", 0)
	return all
}
