package trace

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dunlin-mq/dunlin/linefile"
)

// Line is something that has happened.
type Line struct {
	Level  slog.Level
	Event  string // one word, or a few
	Client string // whose it is; empty: nobody's
	Peer   netip.AddrPort
	Packet fmt.Stringer // nil: none. Its text has neither payload nor secrets
	Topic  string       // empty: none
	// Payload is that of a message; nil: there is none to be written. It is used
	// during the call only.
	Payload []byte
	More    []slog.Attr // texts that are empty are left out
}

// Write has every trace write the line, in its own form. It never waits.
func (w Watch) Write(l Line) {
	now := time.Now()
	for _, r := range w {
		r.write(now, &l)
	}
}

func (r *recorder) write(now time.Time, l *Line) {
	if l.Level < r.level {
		return
	}
	record := slog.NewRecord(now, l.Level, l.Event, 0)
	add := func(key, value string) {
		if value != "" {
			record.AddAttrs(slog.String(key, value))
		}
	}
	add(ClientID, l.Client)
	if l.Peer.IsValid() {
		add("peer", l.Peer.String())
	}
	if l.Packet != nil {
		add("packet", l.Packet.String())
	}
	add("topic", l.Topic)
	if l.Payload != nil {
		record.AddAttrs(slog.String("payload", r.spec.payload(l.Payload)))
	}
	for _, a := range l.More {
		if a.Value.Kind() != slog.KindString || a.Value.String() != "" {
			record.AddAttrs(a)
		}
	}
	// A queue takes every line, so there is no error but that of an attribute.
	if err := r.lines.Handle(context.Background(), record); err != nil {
		r.log.Error("a line of a trace can't be made", "trace", r.title, "event", l.Event, "err", err)
	}
}

// payload is as much of a payload as may be written.
func (s *Spec) payload(p []byte) string {
	if s.Payload == Hidden {
		return "******"
	}
	size := len(p)
	p = p[:min(size, s.PayloadLimit)]
	var text string
	if s.Payload == Hex {
		text = hex.EncodeToString(p)
	} else {
		for i := 0; i < utf8.UTFMax-1 && size > len(p) && len(p) > 0 && !utf8.Valid(p[max(len(p)-utf8.UTFMax, 0):]); i++ {
			p = p[:len(p)-1] // no half character at the end
		}
		text = string(p)
	}
	if size > len(p) {
		text += fmt.Sprintf("... (%d bytes)", size)
	}
	return text
}

// newHandler gives lines their form.
func (s *Spec) newHandler(w io.Writer) slog.Handler {
	o := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: name}
	if s.JSON {
		return slog.NewJSONHandler(w, o)
	}
	return slog.NewTextHandler(w, o)
}

// name names levels as EMQ X does, and the event what it is.
func name(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.LevelKey:
		if level, ok := a.Value.Any().(slog.Level); ok {
			a.Value = slog.StringValue(linefile.LevelName(level))
		}
	case slog.MessageKey:
		a.Key = "event"
	}
	return a
}

// User is a user name as it may be written down: not one that is a token, as
// with auth.jwt.from = username, which would let in whoever reads it.
func User(name string) string {
	if strings.HasPrefix(name, "eyJ") && strings.Count(name, ".") == 2 {
		return "(token)"
	}
	return name
}
