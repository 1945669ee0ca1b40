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
	port, dir := FreePort(t), newDir(t)
	argv := []string{program(t, "dnsmasq"), "--no-daemon", "--conf-file=/dev/null", "--port=" + strconv.Itoa(port),
		"--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts", "--local=/example.org/",
		"--user=", "--group=", "--pid-file=", "--local-ttl=0"}
	return launch(t, port, dir, spec{name: "dnsmasq", argv: append(argv, records...)})
}
