package peers

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisOptions are how Redis servers are started; the zero value is one
// without password and TLS.
type RedisOptions struct {
	Password string
	TLS      *Certificates // nil: none
	// ClientCertificate refuses clients without one.
	ClientCertificate bool
}

// Redis starts one Redis.
func Redis(t testing.TB, o RedisOptions) *Server {
	t.Helper()
	return redis(t, o, newDir(t))
}

// redis starts one Redis with further arguments.
func redis(t testing.TB, o RedisOptions, dir string, args ...string) *Server {
	t.Helper()
	port := FreePort(t)
	argv := []string{program(t, "redis-server"), "--bind", "127.0.0.1", "--save", "", "--dir", dir}
	if o.Password != "" {
		argv = append(argv, "--requirepass", o.Password, "--masterauth", o.Password)
	}
	if o.TLS == nil {
		argv = append(argv, "--port", strconv.Itoa(port))
	} else {
		argv = append(argv, "--port", "0", "--tls-port", strconv.Itoa(port), "--tls-ca-cert-file", o.TLS.CA,
			"--tls-cert-file", o.TLS.ServerCert, "--tls-key-file", o.TLS.ServerKey, "--tls-auth-clients", yesNo(o.ClientCertificate))
	}
	return launch(t, port, dir, spec{name: "redis-server", argv: append(argv, args...)})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Sentinels are a Redis, a replica of it, and the sentinel that makes the
// replica its successor about a second after it is gone.
type Sentinels struct {
	Name                      string // of the master, as the sentinel knows it
	Master, Replica, Sentinel *Server
}

// RedisSentinel starts them with a password, or "" for none.
func RedisSentinel(t testing.TB, password string) *Sentinels {
	t.Helper()
	s := &Sentinels{Name: "mymaster"}
	o := RedisOptions{Password: password}
	s.Master = redis(t, o, newDir(t), "--repl-diskless-sync-delay", "0")
	s.Replica = redis(t, o, newDir(t), "--replicaof", "127.0.0.1 "+strconv.Itoa(s.Master.Port))
	await(t, "the replica follows", func() bool {
		return strings.Contains(redisCLI(t, s.Replica, password, "info", "replication"), "master_link_status:up")
	})
	dir, port := newDir(t), FreePort(t)
	conf := write(t, dir, "sentinel.conf", strings.Join([]string{
		"port " + strconv.Itoa(port),
		"bind 127.0.0.1",
		"dir " + dir,
		"sentinel monitor " + s.Name + " 127.0.0.1 " + strconv.Itoa(s.Master.Port) + " 1",
		"sentinel down-after-milliseconds " + s.Name + " 500",
		"sentinel failover-timeout " + s.Name + " 2000",
		"sentinel auth-pass " + s.Name + " " + orNone(password),
	}, "\n")+"\n")
	s.Sentinel = launch(t, port, dir, spec{name: "redis-sentinel", argv: []string{program(t, "redis-server"), conf, "--sentinel"}})
	await(t, "the sentinel knows the replica", func() bool {
		return strings.Contains(redisCLI(t, s.Sentinel, "", "info", "sentinel"), "slaves=1")
	})
	return s
}

func orNone(password string) string {
	if password == "" {
		return "none" // not asked for by a server without one
	}
	return password
}

// RedisCluster starts a cluster of three masters.
func RedisCluster(t testing.TB, o RedisOptions) []*Server {
	t.Helper()
	const slots = 16384
	nodes := make([]*Server, 3)
	for i := range nodes {
		nodes[i] = redis(t, o, newDir(t), "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(FreePort(t)))
		first, next := i*slots/len(nodes), (i+1)*slots/len(nodes)
		redisCLI(t, nodes[i], o.Password, "cluster", "addslotsrange", strconv.Itoa(first), strconv.Itoa(next-1))
	}
	for _, n := range nodes[1:] {
		bus := strings.TrimSpace(redisCLI(t, n, o.Password, "config", "get", "cluster-port"))
		_, bus, _ = strings.Cut(bus, "\n")
		redisCLI(t, nodes[0], o.Password, "cluster", "meet", n.Host, strconv.Itoa(n.Port), bus)
	}
	for _, n := range nodes {
		await(t, "the cluster is whole", func() bool {
			info := redisCLI(t, n, o.Password, "cluster", "info")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_size:3")
		})
	}
	return nodes
}

func redisCLI(t testing.TB, s *Server, password string, args ...string) string {
	t.Helper()
	argv := append(login(password), "-p", strconv.Itoa(s.Port))
	return run(t, exec.Command(program(t, "redis-cli"), append(argv, args...)...), "")
}

func login(password string) []string {
	if password == "" {
		return nil
	}
	return []string{"--no-auth-warning", "-a", password}
}

// await asks until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}
