package peers

import (
	"strconv"
	"testing"
)

// DNS starts dnsmasq with records, such as
// "--host-record=n1.example.org,10.0.0.1" or
// "--srv-host=_emqx._tcp.example.org,n1.example.org,4370", and no others: of
// any other name below example.org it says that it doesn't exist. It answers
// over UDP and TCP.
func DNS(t testing.TB, records ...string) *Server {
	t.Helper()
	return dns(t, spec{}, FreePort(t), records)
}

// SystemDNS is DNS at port 53, where all programs of a machine ask, so it needs
// a network of its own, and root: do runs a func in that.
func SystemDNS(t testing.TB, do func(f func()), records ...string) *Server {
	t.Helper()
	return dns(t, spec{do: do, asUs: true}, 53, records)
}

func dns(t testing.TB, s spec, port int, records []string) *Server {
	t.Helper()
	dir := newDir(t)
	argv := []string{program(t, "dnsmasq"), "--no-daemon", "--conf-file=/dev/null", "--port=" + strconv.Itoa(port),
		"--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts", "--local=/example.org/",
		"--user=", "--group=", "--pid-file=", "--local-ttl=0"}
	s.name, s.argv = "dnsmasq", append(argv, records...)
	return launch(t, port, dir, s)
}
