package config

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Flag is the type of fields that EMQ X writes `on` and `off`. It reads like any bool.
type Flag = bool

// Bytes is a size in bytes, written `1048576`, `1024KB` or `1mb`; the suffixes KB, MB and GB count in 1024s.
type Bytes int64

const (
	KB Bytes = 1 << 10
	MB Bytes = 1 << 20
	GB Bytes = 1 << 30
)

func (b *Bytes) UnmarshalText(text []byte) error {
	s, unit := string(text), Bytes(1)
	for _, u := range []struct {
		suffix string
		unit   Bytes
	}{{"KB", KB}, {"MB", MB}, {"GB", GB}} {
		for _, suffix := range []string{u.suffix, strings.ToLower(u.suffix)} {
			if digits, ok := strings.CutSuffix(s, suffix); ok {
				s, unit = digits, u.unit
			}
		}
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || n > uint64(math.MaxInt64/int64(unit)) {
		return Expected("a size such as 4096, 64KB or 1MB", string(text))
	}
	*b = Bytes(n) * unit
	return nil
}

func (b Bytes) String() string {
	switch {
	case b == 0:
	case b%GB == 0:
		return strconv.FormatInt(int64(b/GB), 10) + "GB"
	case b%MB == 0:
		return strconv.FormatInt(int64(b/MB), 10) + "MB"
	case b%KB == 0:
		return strconv.FormatInt(int64(b/KB), 10) + "KB"
	}
	return strconv.FormatInt(int64(b), 10)
}

// Percent is a whole number of hundredths, written `80%`.
type Percent int

func (p *Percent) UnmarshalText(text []byte) error {
	digits, ok := strings.CutSuffix(string(text), "%")
	n, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil {
		return Expected("a percentage such as 80%", string(text))
	}
	*p = Percent(n)
	return nil
}

func (p Percent) String() string { return strconv.Itoa(int(p)) + "%" }

// Address is where a listener accepts, written `1883` (all interfaces), `127.0.0.1:1883`, `::1:1883` (the last colon
// divides) or `[::1]:1883`; `off` is the zero Address, no listener. Port 0 lets the system choose.
type Address struct {
	Host string // "" for all interfaces
	Port uint16
	set  bool // distinguishes port 0 of all interfaces from off
}

// NewAddress returns the address of a listener that is not off.
func NewAddress(host string, port uint16) Address { return Address{host, port, true} }

// Off reports that there is no address: none was given, or `off`.
func (a Address) Off() bool { return !a.set }

func (a *Address) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "off" {
		*a = Address{}
		return nil
	}
	host, port := "", s
	if cut := strings.LastIndexByte(s, ':'); cut >= 0 {
		host, port = s[:cut], s[cut+1:]
		if inner, ok := strings.CutPrefix(host, "["); ok {
			if host, ok = strings.CutSuffix(inner, "]"); !ok || !strings.Contains(host, ":") {
				host = "[" // refused below
			}
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || !isHost(host) {
		return Expected("an address such as 1883, 127.0.0.1:1883 or [::1]:1883, or off", s)
	}
	*a = NewAddress(host, uint16(n))
	return nil
}

// isHost accepts "", an IP address, possibly with a zone, and host names.
func isHost(host string) bool {
	if strings.Contains(host, ":") {
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Is6() && !strings.ContainsAny(host, " \t/[]@")
	}
	return !strings.ContainsAny(host, " \t/[]@%")
}

// String returns what net.Listen takes, `off` for none.
func (a Address) String() string {
	if a.Off() {
		return "off"
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
}

// Rate is a token bucket: Limit tokens come back evenly in each Window, and at most Burst gather. It is written
// `rate,burst` (EMQ X 3: per second, 0 < rate <= burst) or `limit,window` (EMQ X 4: `100KB,10s`, burst = limit). The
// zero Rate is no limit.
type Rate struct {
	Limit  int64
	Window time.Duration
	Burst  int64
}

func (r *Rate) UnmarshalText(text []byte) error {
	first, second, _ := strings.Cut(string(text), ",")
	first, second = trim(first), trim(second)
	var limit, burst Bytes
	wrong := Expected("limit,window such as 100KB,10s, or rate,burst such as 1024,4096 with 0 < rate <= burst", string(text))
	if limit.UnmarshalText([]byte(first)) != nil || limit == 0 {
		return wrong
	}
	if burst.UnmarshalText([]byte(second)) == nil {
		if burst < limit {
			return wrong
		}
		*r = Rate{int64(limit), time.Second, int64(burst)}
		return nil
	}
	window, err := parseDuration(second, "")
	if err != nil || window == 0 {
		return wrong
	}
	*r = Rate{int64(limit), window, int64(limit)}
	return nil
}

// IsZero reports that there is no limit.
func (r Rate) IsZero() bool { return r.Limit == 0 }

func (r Rate) String() string {
	switch {
	case r.IsZero():
		return ""
	case r.Burst == r.Limit:
		return fmt.Sprintf("%s,%s", Bytes(r.Limit), formatDuration(r.Window))
	}
	return fmt.Sprintf("%d,%d", r.Limit, r.Burst)
}

// CountBytes is a pair of limits, written `1000|1MB`.
type CountBytes struct {
	Count int64
	Bytes Bytes
}

func (c *CountBytes) UnmarshalText(text []byte) error {
	count, size, _ := strings.Cut(string(text), "|")
	n, err := strconv.ParseUint(trim(count), 10, 63)
	var b Bytes
	if err != nil || b.UnmarshalText([]byte(trim(size))) != nil {
		return Expected("count|size such as 1000|1MB", string(text))
	}
	*c = CountBytes{int64(n), b}
	return nil
}

func (c CountBytes) String() string { return fmt.Sprintf("%d|%s", c.Count, c.Bytes) }
