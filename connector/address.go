package connector

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dunlin-mq/dunlin/config"
)

// Address is where a system listens, written `host`, `host:port` or, for this
// machine, as a port alone. An IPv6 address with a port stands in brackets.
type Address struct {
	Host string
	Port uint16 // 0: the system's usual one
}

// Addr returns host:port for net.Dial; port is the system's usual one.
func (a Address) Addr(port uint16) string {
	if a.Port != 0 {
		port = a.Port
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(int(port)))
}

// UnmarshalText reads one address.
func (a *Address) UnmarshalText(text []byte) error {
	s := string(text)
	wrong := config.Expected("an address such as db.example.org, 127.0.0.1:3306 or [::1]:3306", s)
	host, port := s, ""
	switch ip, err := netip.ParseAddr(strings.Trim(s, "[]")); {
	case err == nil:
		*a = Address{Host: ip.String()}
		return nil
	case strings.Contains(s, ":"):
		if host, port, err = net.SplitHostPort(s); err != nil || port == "" {
			return wrong
		}
	case isNumber(s):
		host, port = "127.0.0.1", s
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if host == "" || strings.ContainsAny(host, " \t/@,[]") || port != "" && (err != nil || n == 0) {
		return wrong
	}
	*a = Address{host, uint16(n)}
	return nil
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// String returns what UnmarshalText reads.
func (a Address) String() string {
	if a.Port == 0 {
		return a.Host
	}
	return a.Addr(0)
}
