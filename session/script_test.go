package session

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// wire is a Sender that writes down what it is given, in short:
//
//	a       PUBLISH of message a at QoS 0
//	a#1     PUBLISH with packet identifier 1; a#1! with DUP
//	rel#1   PUBREL; rel#1?  with 0x92; comp#1  PUBCOMP
//	-a:why  a drop
type wire struct {
	log      []string
	full     bool
	tooLarge string // the message that can't be sent
}

func (w *wire) Publish(d Delivery, id uint16, dup bool) bool {
	name := string(d.Msg.Payload)
	if strings.TrimRight(name, ".") == w.tooLarge && name != "" {
		return false
	}
	if id != 0 {
		name += "#" + strconv.Itoa(int(id))
	}
	if dup {
		name += "!"
	}
	if d.Retain {
		name += "(retain)"
	}
	w.log = append(w.log, name)
	return true
}

func (w *wire) Ack(kind mqtt.Type, id uint16, code mqtt.ReasonCode) {
	name := map[mqtt.Type]string{mqtt.TypePubrel: "rel", mqtt.TypePubcomp: "comp"}[kind]
	if name == "" {
		panic("sessions send PUBREL and PUBCOMP only")
	}
	entry := fmt.Sprintf("%s#%d", name, id)
	if code == mqtt.PacketIdentifierNotFound {
		entry += "?"
	}
	w.log = append(w.log, entry)
}

func (w *wire) Full() bool { return w.full }

func (w *wire) Dropped(d Delivery, why Drop) {
	w.log = append(w.log, fmt.Sprintf("-%s:%s", d.Msg.Payload, why))
}

// player runs scripts against a session under a clock that only scripts move.
type player struct {
	*Session
	wire
	now   int64
	start int64
}

const epoch = 1_700_000_000_000

func play(t *testing.T, cfg Config, script string) {
	t.Helper()
	p := &player{Session: New(&cfg, epoch), now: epoch, start: epoch}
	for line := range strings.Lines(script) {
		command, want, _ := strings.Cut(strings.TrimSpace(line), ">")
		if strings.TrimSpace(command) == "" {
			continue
		}
		p.log = nil
		p.do(strings.Fields(command))
		if got := strings.Join(p.log, " "); got != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s: got %q, want %q", strings.TrimSpace(command), got, strings.TrimSpace(want))
		}
	}
}

func (p *player) do(words []string) {
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	id := func() uint16 { return uint16(number(arg(1))) }
	failed := mqtt.Success
	if arg(2) == "fail" {
		failed = mqtt.QuotaExceeded
	}
	switch words[0] {
	case "connect":
		p.Connected(uint16(number(arg(1))), &p.wire, p.now)
	case "disconnect":
		p.Disconnected(p.now)
	case "q0", "q1", "q2":
		p.deliver(mqtt.QoS(words[0][1]-'0'), words[1], words[2:])
	case "puback":
		d, err := p.Puback(id(), failed, &p.wire, p.now)
		p.acked(d, err)
	case "pubrec":
		d, err := p.Pubrec(id(), failed, &p.wire, p.now)
		p.acked(d, err)
	case "pubcomp":
		_, err := p.Pubcomp(id(), failed, &p.wire, p.now)
		p.failed(err)
	case "received":
		dup, err := p.Received(id(), p.now)
		p.note(dup, "dup")
		p.failed(err)
	case "released":
		waited, later := p.Released(id())
		p.note(!waited, "unknown")
		p.note(later, "later")
	case "full":
		p.full = true
	case "sent": // the output has room, and nobody has called Drain yet
		p.full = false
	case "room":
		p.full = false
		p.Drain(&p.wire, p.now)
	case "limit":
		p.tooLarge = arg(1)
	case "wait":
		p.now += duration(arg(1)).Milliseconds()
	case "tick":
		p.now += duration(arg(1)).Milliseconds()
		p.Tick(&p.wire, p.now)
	case "retry":
		p.SetRetry(arg(1) == "on")
	case "next":
		if p.NextTick() == 0 {
			p.note(true, "never")
		} else {
			p.note(true, time.Duration((p.NextTick()-p.now)*1e6).String())
		}
	case "room?":
		p.note(p.Room(), "yes")
	case "surrender":
		p.Surrender(func(d Delivery) bool { return strings.HasPrefix(d.Sub.Filter, "$share/"+arg(1)+"/") }, func(d Delivery) { p.note(true, "+"+string(d.Msg.Payload)) })
	case "end":
		p.End(&p.wire)
	case "counts":
		p.note(true, fmt.Sprintf("queued=%d/%d inflight=%d awaiting=%d dropped=%d", p.Queued(), p.QueuedBytes(),
			p.Inflight(), p.AwaitingRel(), lost(p.Session)))
	default:
		panic("no such command: " + words[0])
	}
}

// deliver makes a message named so; options: exp=5s, topic=t, group=g, retain.
// Dots at the end of the name make the payload longer.
func (p *player) deliver(qos mqtt.QoS, name string, options []string) {
	d := Delivery{Msg: &mqtt.Message{Topic: "t", Payload: []byte(name)}, QoS: qos}
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		switch key {
		case "exp":
			d.Msg.ExpiresAt = p.now + duration(value).Milliseconds()
		case "topic":
			d.Msg.Topic = value
		case "group":
			d.Sub = &Subscription{Filter: "$share/" + value + "/t"}
		case "retain":
			d.Retain = true
		default:
			panic("no such option: " + o)
		}
	}
	before := len(p.log)
	switch p.Deliver(d, &p.wire, p.now) {
	case Queued:
		p.note(true, "queued")
	case Dropped:
		if len(p.log) == before {
			p.note(true, "dropped without a report")
		}
	}
}

func (p *player) acked(d Acked, err error) {
	if err == nil {
		p.note(true, "ok:"+string(d.Msg.Payload))
	}
	p.failed(err)
}

func (p *player) failed(err error) {
	var code mqtt.ReasonCode
	if errors.As(err, &code) {
		p.note(true, code.String())
	}
}

func (p *player) note(when bool, what string) {
	if when {
		p.log = append(p.log, what)
	}
}

func number(s string) int {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func duration(s string) time.Duration {
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}

// lost is how many deliveries the session has dropped.
func lost(s *Session) uint64 {
	t := s.Tally()
	return t.Lost()
}
