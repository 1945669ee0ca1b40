package clienttest

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/internal/peers"
	"github.com/dunlin-mq/dunlin/mqtt"
)

const redisPassword = "only-redis-knows"

// redisBackends is one Redis in the clear and one encrypted.
func redisBackends(t testing.TB) []*backend {
	plain := peers.Redis(t, peers.RedisOptions{Password: redisPassword})
	c := peers.NewCertificates(t)
	tls := peers.Redis(t, peers.RedisOptions{Password: redisPassword, TLS: c})
	encrypted := redisBackend(t, []*peers.Server{tls}, "auth.redis.server="+tls.Addr(), "--tls", "--cacert", c.CA)
	encrypted.way = "TLS"
	encrypted.settings = append(encrypted.settings, "auth.redis.ssl=on", "auth.redis.ssl.verify=true", "auth.redis.ssl.cacertfile="+c.CA)
	encrypted.badAuthority = []string{"auth.redis.ssl.cacertfile=" + c.OtherCA}
	return []*backend{redisBackend(t, []*peers.Server{plain}, "auth.redis.server="+plain.Addr()), encrypted}
}

// sentinelBackends is a master that a sentinel knows, with its replica.
func sentinelBackends(t testing.TB) []*backend {
	s := peers.RedisSentinel(t, redisPassword)
	b := redisBackend(t, []*peers.Server{s.Master, s.Replica, s.Sentinel}, "auth.redis.server="+s.Sentinel.Addr())
	b.settings = append(b.settings, "auth.redis.type=sentinel", "auth.redis.sentinel="+s.Name)
	b.orphan = func(t testing.TB) {
		t.Helper()
		last := accounts[len(accounts)-1] // to be stored
		eventually(t, "the replica has what the master has", func() bool {
			out, err := exec.Command("redis-cli", "--no-auth-warning", "-a", redisPassword, "-p", strconv.Itoa(s.Replica.Port), "EXISTS", "mqtt_user:"+last.name).Output()
			return err == nil && string(out) == "1\n"
		})
		s.Master.Kill()
	}
	return []*backend{b}
}

// clusterBackends is three masters of which the broker is told one.
func clusterBackends(t testing.TB) []*backend {
	nodes := peers.RedisCluster(t, peers.RedisOptions{Password: redisPassword})
	b := redisBackend(t, nodes, "auth.redis.server="+nodes[1].Addr(), "-c")
	b.settings = append(b.settings, "auth.redis.type=cluster")
	return []*backend{b}
}

// redisBackend fills a Redis by its first server; options are those of its own
// client.
func redisBackend(t testing.TB, servers []*peers.Server, server string, options ...string) *backend {
	do := func(t testing.TB, args ...string) {
		t.Helper()
		argv := slices.Concat([]string{"-e", "--no-auth-warning", "-a", redisPassword, "-p", strconv.Itoa(servers[0].Port)}, options, args)
		var out []byte
		eventually(t, fmt.Sprintf("redis-cli %s", args), func() bool { // a cluster takes its time to agree
			var err error
			out, err = exec.Command("redis-cli", argv...).CombinedOutput()
			return err == nil
		})
		if strings.Contains(string(out), "ERR") {
			t.Fatalf("redis-cli %s: %s", args, out)
		}
	}
	grant := func(t testing.TB, _ *scene, user string, r right) {
		do(t, "HSET", "mqtt_acl:"+user, r.topic, r.number())
	}
	fill := func() {
		for _, a := range accounts {
			do(t, "HSET", "mqtt_user:"+a.name, "password", a.password, "is_superuser", map[bool]string{true: "1", false: "0"}[a.super])
			for _, r := range a.rights {
				grant(t, nil, a.name, r)
			}
		}
	}
	fill()
	return &backend{
		provider: "redis", refusal: mqtt.NotAuthorized, secrets: []string{redisPassword, "not-the-secret"},
		settings: []string{"auth.redis.enable=on", server, "auth.redis.password=" + redisPassword},
		grant:    grant, password: rightPassword, wrong: wrongPassword, server: &several{servers, fill},
		badLogin: []string{"auth.redis.password=not-the-secret"},
		badPlace: []string{"auth.redis.auth_cmd=GET mqtt_user:%u"}, // which is no text there
	}
}

// several are servers that fail together. They have to be filled again after
// their end.
type several struct {
	servers []*peers.Server
	fill    func()
}

// Kill ends those first who watch over the others.
func (s *several) Kill() {
	for _, one := range slices.Backward(s.servers) {
		one.Kill()
	}
}

func (s *several) Start() {
	for _, one := range s.servers {
		one.Start()
	}
	s.fill()
}

func (s *several) Pause() {
	for _, one := range slices.Backward(s.servers) {
		one.Pause()
	}
}

func (s *several) Resume() {
	for _, one := range s.servers {
		one.Resume()
	}
}
