package peers

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Prometheus starts one with a configuration. Other files that are named in it
// must have absolute paths.
func Prometheus(t testing.TB, config string) *Server {
	t.Helper()
	dir, port := newDir(t), FreePort(t)
	return launch(t, port, dir, spec{
		name: "prometheus", asUs: true,
		argv: []string{program(t, "prometheus"), "--config.file=" + write(t, dir, "prometheus.yml", config),
			"--storage.tsdb.path=" + dir, "--web.listen-address=" + loopback(port)},
		ready: func() error {
			client := http.Client{Timeout: time.Second}
			answer, err := client.Get("http://" + loopback(port) + "/-/ready")
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("not ready: %s", answer.Status)
			}
			return nil
		},
	})
}
