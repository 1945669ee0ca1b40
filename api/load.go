package api

import (
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/dunlin-mq/dunlin/host"
)

// node is this node with what it uses. What the system doesn't tell is 0. Of
// processes, which are goroutines here, there is no bound.
func (s *Server) node(q *request, inBytes bool) any {
	load, _ := host.ReadLoad()
	open, files, _ := host.ReadFiles()
	r := host.ReadRuntime()
	total, used := r.Mapped, r.Heap
	if q.version == V4 {
		m, _ := host.ReadMemory()
		total, used = m.Total, m.Used()
	}
	row := object{
		"node": s.o.Node, "node_status": "Running", "version": s.o.Version, "otp_release": runtime.Version(),
		"uptime":       uptime(time.Since(s.started)),
		"memory_total": size(total), "memory_used": size(used),
		"process_available": math.MaxInt32, "process_used": r.Goroutines, "max_fds": files, "used_fds": open,
		"load1": decimals(load.One), "load5": decimals(load.Five), "load15": decimals(load.Fifteen),
		"connections": s.stat("sessions.count"), "live_connections": s.stat("connections.count"),
	}
	if inBytes {
		row["memory_total"], row["memory_used"] = total, used
	}
	if q.version == V3 {
		row["name"], row["connections"] = s.o.Node, row["live_connections"]
		delete(row, "live_connections")
	}
	return row
}

// stat is one of the broker's figures; 0 if there is no broker.
func (s *Server) stat(name string) int64 {
	if s.o.Metrics == nil {
		return 0
	}
	v, _ := s.o.Metrics.Get(name)
	return v.Value
}

func decimals(f float64) string { return fmt.Sprintf("%.2f", f) }

// size writes a number of bytes as EMQ X does: 76.45M.
func size(n uint64) string {
	f, unit := float64(n), ""
	for _, next := range []string{"K", "M", "G"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, next
	}
	return decimals(f) + unit
}
