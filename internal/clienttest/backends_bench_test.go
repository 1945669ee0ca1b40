package clienttest

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// cpu is the processor time that the process has used.
func (p *process) cpu(t testing.TB) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	need(t, err == nil, fmt.Sprintf("/proc, to read the broker's time from (%v)", err))
	const tick = 10 * time.Millisecond // of Linux for programs, whatever the kernel's is
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var sum time.Duration
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n) * tick
	}
	return sum
}

// perUnit reports what the broker's processor time since before comes to for
// each of b.N.
func (p *process) perUnit(b *testing.B, before time.Duration, unit string) {
	b.ReportMetric(float64((p.cpu(b)-before).Nanoseconds())/1e3/float64(b.N), "broker-µs/"+unit)
}

// BenchmarkConnect is the broker's processor time for a CONNECT and its end,
// with everybody who can be asked, and no answer kept. Run it with
// -benchtime=5000x.
func BenchmarkConnect(b *testing.B) {
	run := func(name string, open func(testing.TB) []*backend, at listener, more ...string) {
		b.Run(name, func(b *testing.B) {
			be := open(b)[0]
			s := be.broker(b, append(more, "auth_cache_ttl=0s", "log.level=warning")...)
			for i := range 50 { // connections to the backend, and what is remembered of slow hashes
				s.connectAndLeave(b, at, fmt.Sprint("warm", i))
			}
			before := s.cpu(b)
			b.ResetTimer()
			each(b, b.N, func(i int) error { return s.connectAndLeave(b, at, fmt.Sprint(i)) })
			b.StopTimer()
			s.perUnit(b, before, "CONNECT")
		})
	}
	run("nobody asked", builtInBackend, internal)
	run("built-in sha256", builtInBackend, closed, "auth.mnesia.password_hash=sha256")
	run("built-in bcrypt, proven before", builtInBackend, closed)
	run("JWT HS256", jwtBackend, closed)
	run("HTTP", httpBackends, closed)
	run("MySQL 8", mySQL8Backends, closed)
	run("MariaDB", mariaDBBackends, closed)
	run("PostgreSQL", postgresBackends, closed)
	run("Redis", redisBackends, closed)
	run("MongoDB", mongoBackends, closed)
	run("LDAP", ldapBackends, closed)
}

func (s *scene) connectAndLeave(t testing.TB, at listener, id string) error {
	w, err := dialWire(s.addr[at])
	if err != nil {
		return err
	}
	defer w.Close()
	k := &mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: id}
	login("ann", s.password("ann"))(k)
	if err := w.trySend(k); err != nil {
		return err
	}
	p, err := w.next(patience)
	if ack, ok := p.(*mqtt.Connack); !ok || ack.Code != mqtt.Success {
		return fmt.Errorf("CONNECT was answered with %v (%v)", p, err)
	}
	return w.trySend(&mqtt.Disconnect{})
}

// BenchmarkPublish is the broker's processor time for a PUBLISH of QoS 1 to a
// topic without subscribers, with what may decide about it. Run it with
// -benchtime=300000x.
func BenchmarkPublish(b *testing.B) {
	run := func(name string, open func(testing.TB) []*backend, more ...string) {
		b.Run(name, func(b *testing.B) {
			s := open(b)[0].broker(b, append(more, "log.level=warning")...)
			w := s.as(b, mqtt.V5, "ann")
			const window = 200
			batch := make([]mqtt.Packet, window)
			for i := range batch {
				batch[i] = &mqtt.Publish{QoS: 1, PacketID: uint16(i + 1), Topic: "pub/1", Payload: make([]byte, 16)}
			}
			before := s.cpu(b)
			b.ResetTimer()
			for left := b.N; left > 0; left -= window {
				some := slices.Clone(batch[:min(left, window)])
				w.send(b, some...)
				for range some {
					expect[*mqtt.Ack](b, w)
				}
			}
			b.StopTimer()
			s.perUnit(b, before, "PUBLISH")
		})
	}
	run("no ACL", builtInBackend, "zone.external.enable_acl=off")
	run("acl_nomatch", jwtBackend, "acl_nomatch=allow", "auth.jwt.acl_claim_name=none")
	run("built-in rule", builtInBackend)
	run("rule in a token", jwtBackend)
	run("HTTP, answer kept", httpBackends)
	run("no ACL, again", builtInBackend, "zone.external.enable_acl=off")
}
