package peers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// EtcdOptions are how etcd is started; the zero value is one without TLS.
type EtcdOptions struct {
	TLS *Certificates // nil: http://; else https://
	// ClientCertificate refuses clients without one.
	ClientCertificate bool
}

// Etcd starts one etcd, the only member of its cluster. It keeps what it has
// over Kill and Start.
func Etcd(t testing.TB, o EtcdOptions) *Server {
	t.Helper()
	port, dir := FreePort(t), newDir(t)
	scheme := "http://"
	argv := []string{program(t, "etcd"), "--data-dir", dir + "/data", "--name", "n1", "--logger", "zap", "--log-level", "error", "--unsafe-no-fsync"}
	if o.TLS != nil {
		scheme = "https://"
		argv = append(argv, "--cert-file", o.TLS.ServerCert, "--key-file", o.TLS.ServerKey, "--trusted-ca-file", o.TLS.CA,
			fmt.Sprintf("--client-cert-auth=%v", o.ClientCertificate))
	}
	url, peer, metrics := scheme+loopback(port), "http://"+loopback(FreePort(t)), "http://"+loopback(FreePort(t))
	argv = append(argv, "--listen-client-urls", url, "--advertise-client-urls", url, "--listen-metrics-urls", metrics,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "n1="+peer)
	return launch(t, port, dir, spec{name: "etcd", argv: argv, ready: func() error {
		client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Get(metrics + "/metrics") // not /health, of which etcd logs every failure
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err == nil && !bytes.Contains(text, []byte("\netcd_server_has_leader 1\n")) {
			err = errors.New("no leader yet")
		}
		return err
	}})
}

// EtcdCtl runs etcdctl on a server without TLS and returns what it prints.
func EtcdCtl(t testing.TB, s *Server, args ...string) string {
	t.Helper()
	c := exec.Command(program(t, "etcdctl"), append([]string{"--endpoints", "http://" + s.Addr()}, args...)...)
	c.Env = []string{"ETCDCTL_API=3"}
	return strings.TrimSuffix(run(t, c, ""), "\n")
}
