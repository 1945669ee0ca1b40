package trace

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/linefile"
	"github.com/dunlin-mq/dunlin/topic"
)

// The types of traces, as EMQ X names them.
const (
	ClientID  = "clientid"
	Topic     = "topic"
	IPAddress = "ip_address"
)

// Types are all types.
func Types() []string { return []string{ClientID, Topic, IPAddress} }

// How payloads are written.
const (
	Text   = "text"
	Hex    = "hex"
	Hidden = "hidden"
)

// Payloads are all ways to write a payload.
func Payloads() []string { return []string{Text, Hex, Hidden} }

// Limits of traces.
const (
	Most             = 30       // traces, the stopped ones included
	MostPayload      = 64 << 10 // bytes of a payload that may be asked for
	usualPayload     = 1 << 10
	usualSize        = 512 << 20 // bytes of a file, as in EMQ X 4.4
	usualTime        = 10 * time.Minute
	longestName      = 256
	longestCondition = 64 << 10
)

// Spec says what is traced, how long, and how it is written.
type Spec struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"` // a client id, a topic filter, an address or a network

	// Start and End are when the trace runs: from now for 10 minutes, if they
	// are zero.
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`

	Level        string `json:"level,omitempty"`         // the lowest that is written; empty: debug
	JSON         bool   `json:"json,omitempty"`          // one object a line, else key=value
	Payload      string `json:"payload,omitempty"`       // empty: Text
	PayloadLimit int    `json:"payload_limit,omitempty"` // bytes of a payload; 0: 1024
	MaxSize      int64  `json:"max_size,omitempty"`      // bytes, then the trace ends; 0: 512 MB
}

// Invalid is what is wrong with a Spec, in one sentence.
type Invalid string

func (i Invalid) Error() string { return string(i) }

// Errors of Start and others.
var (
	ErrExists    = errors.New("there is a trace of this name")
	ErrDuplicate = errors.New("another trace that has not ended is about the same")
	ErrTooMany   = Invalid(fmt.Sprintf("the number of traces has reached the maximum of %d: delete some first", Most))
	ErrNotFound  = errors.New("there is no such trace")
	errClosed    = errors.New("the node is stopping")
)

// nameForm is that of EMQ X. It makes no path that leads anywhere else.
var nameForm = regexp.MustCompile(`^[A-Za-z]+[A-Za-z0-9_-]*$`)

// complete fills in what was left open, and says what is wrong.
func (s *Spec) complete(now time.Time) error {
	if !nameForm.MatchString(s.Name) || len(s.Name) > longestName {
		return Invalid("Name should be " + nameForm.String() + " and at most 256 characters long")
	}
	if s.Start.Before(now) { // zero too
		s.Start = now
	}
	if s.End.IsZero() {
		s.End = s.Start.Add(usualTime)
	}
	switch {
	case !s.End.After(now):
		return Invalid("end_at time has already passed")
	case !s.End.After(s.Start):
		return Invalid("failed by start_at >= end_at")
	}
	return s.check()
}

// check fills in and checks what named traces and files have in common.
func (s *Spec) check() error {
	if s.Payload == "" {
		s.Payload = Text
	}
	if s.PayloadLimit == 0 {
		s.PayloadLimit = usualPayload
	}
	if s.MaxSize == 0 {
		s.MaxSize = usualSize
	}
	if s.Level == "" || s.Level == "all" {
		s.Level = "debug"
	}
	switch {
	case !slices.Contains(Payloads(), s.Payload):
		return Invalid("payload must be text, hex or hidden")
	case s.PayloadLimit < 0 || s.PayloadLimit > MostPayload:
		return Invalid(fmt.Sprintf("payload_limit must be 1 to %d bytes, or 0 for 1024", MostPayload))
	case s.MaxSize < 0:
		return Invalid("max_size must be a number of bytes, or 0 for 512 MB")
	case !slices.Contains(linefile.LevelNames(), s.Level):
		return Invalid("level must be one of " + strings.Join(linefile.LevelNames(), ", "))
	}
	return s.checkCondition()
}

func (s *Spec) checkCondition() error {
	if !slices.Contains(Types(), s.Type) {
		return Invalid("type=[topic,clientid,ip_address] required")
	}
	if s.Value == "" || len(s.Value) > longestCondition {
		return Invalid("[topic,clientid,ip_address] required: the value of " + s.Type)
	}
	switch s.Type {
	case ClientID:
	case Topic:
		f, err := topic.Parse(s.Value)
		if err != nil {
			return Invalid("topic is no topic filter: " + err.Error())
		}
		if f.Bare != s.Value {
			return Invalid("topic must be what messages are published to: " + f.Bare)
		}
		if s.Value == "$SYS" || strings.HasPrefix(s.Value, "$SYS/") {
			return Invalid("$SYS topics are not traced")
		}
	case IPAddress:
		p, err := parseNetwork(s.Value)
		if err != nil {
			return Invalid("ip_address is neither an address nor a network such as 192.0.2.0/24")
		}
		if s.Value = p.String(); p.IsSingleIP() {
			s.Value = p.Addr().String()
		}
	}
	return nil
}

// parseNetwork reads an address, or a network with its length.
func parseNetwork(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err == nil && p.Addr().Is4In6() {
			err = errors.New("an IPv4 network has to be written as one")
		}
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(text)
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), err
}
