package api

import (
	"os"
	"runtime"
	"strings"
	"time"
)

// telemetryRoutes are those of EMQ X's reports to its makers. Nothing is ever
// sent from here: they say so, and show what such a report would hold.
func (s *Server) telemetryRoutes() []Route {
	if s.o.Broker == nil || s.o.Metrics == nil || s.o.On == nil {
		return nil
	}
	return []Route{
		{Method: "GET", Path: "/telemetry/status", Versions: V4, Name: "get_telemetry_status", Summary: "Say that no reports are sent to anybody",
			Returns: "{enabled: bool}", handle: func(*request) (any, error) { return object{"enabled": false}, nil }},
		{Method: "PUT", Path: "/telemetry/status", Versions: V4, Name: "set_telemetry_status", Summary: "Refuses to send reports; to stop them succeeds",
			Params: []Param{{Name: "enabled", Type: Flag, Required: true, Doc: "false"}}, Fails: []int{codeUnknown},
			handle: func(q *request) (any, error) {
				if q.params.flag("enabled") {
					return nil, fail(codeUnknown, "there is no telemetry: this broker never reports to anybody")
				}
				return nil, nil
			}},
		{Method: "GET", Path: "/telemetry/data", Versions: V4, Name: "get_telemetry_data", Summary: "Show what a report of EMQ X would hold; it is sent nowhere",
			Returns: "{emqx_version, license: {edition}, os_name, os_version, otp_version, up_time: int, uuid, nodes_uuid: [string], active_plugins: [string], active_modules: [string], " +
				"num_clients: int, messages_received: int, messages_sent: int}",
			handle: s.telemetry},
	}
}

func (s *Server) telemetry(*request) (any, error) {
	counted := func(name string) int64 {
		n, _ := s.o.Metrics.Get(name)
		return n.Value
	}
	active := func(parts []part) []string {
		names := []string{}
		for _, p := range parts {
			if s.active(p) {
				names = append(names, p.name)
			}
		}
		return names
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil { // not Linux
		release = []byte(undefined)
	}
	return object{
		"emqx_version": s.o.Version, "license": object{"edition": "dunlin"}, "os_name": runtime.GOOS, "os_version": strings.TrimSpace(string(release)),
		"otp_version": runtime.Version(), "up_time": int64(time.Since(s.started) / time.Second), "uuid": undefined, "nodes_uuid": []string{},
		"active_plugins": active(plugins()), "active_modules": active(modules()),
		"num_clients": counted("connections.count"), "messages_received": counted("messages.received"), "messages_sent": counted("messages.sent"),
	}, nil
}
