package mqtttest

import "fmt"

// laws are checked on every packet of every connection of every scenario, so that a scenario needs to say only what is
// particular to it. The statements a law stands for are listed in testdata/laws.txt, and with decode, which refuses what no
// server may send, they count as proven by all scenarios together.
type laws struct {
	connect   packet // what the client asked for
	connacks  int
	accepted  bool
	over      bool           // the server sent DISCONNECT
	aliases   map[int]string // the server's topic aliases
	inflight  map[int]bool   // packet ids of the server's PUBLISH without PUBACK, PUBCOMP or a refusal
	requested map[int]string // packet ids of our SUBSCRIBE and UNSUBSCRIBE
}

func newLaws() *laws {
	return &laws{aliases: map[int]string{}, inflight: map[int]bool{}, requested: map[int]string{}}
}

// sent notes what the client sends.
func (l *laws) sent(p packet) {
	switch p.kind {
	case "CONNECT":
		l.connect = p
	case "PUBACK", "PUBCOMP":
		delete(l.inflight, p.num("id"))
	case "PUBREC":
		if p.num("code") >= 0x80 {
			delete(l.inflight, p.num("id"))
		}
	case "SUBSCRIBE", "UNSUBSCRIBE":
		l.requested[p.num("id")] = p.kind
	}
}

// received checks what the server sends and fills a topic that only an alias stands for back in.
func (l *laws) received(p *packet, size int) error {
	if err := l.order(*p); err != nil {
		return err
	}
	if limit := l.connect.prop("max-packet", 0); limit > 0 && size > limit {
		return fmt.Errorf("%d bytes, but the client takes %d", size, limit)
	}
	if err := l.problemInfo(*p); err != nil {
		return err
	}
	switch p.kind {
	case "PUBLISH":
		if err := l.alias(p); err != nil {
			return err
		}
		return l.window(*p)
	case "SUBACK", "UNSUBACK":
		return l.answer(*p)
	}
	return nil
}

// order: CONNACK first and once, DISCONNECT last.
func (l *laws) order(p packet) error {
	switch {
	case l.over:
		return fmt.Errorf("%s after DISCONNECT", p.kind)
	case p.kind == "CONNACK":
		l.connacks++
		l.accepted = p.num("code") == 0
		if l.connacks > 1 {
			return fmt.Errorf("a second CONNACK")
		}
		if !l.accepted && p.num("present") == 1 {
			return fmt.Errorf("session present although refused")
		}
	case !l.accepted && p.kind != "AUTH":
		return fmt.Errorf("%s before CONNACK", p.kind)
	case p.kind == "DISCONNECT":
		l.over = true
	}
	return nil
}

// problemInfo: a client that does not want to know gets reasons on CONNACK and DISCONNECT only.
func (l *laws) problemInfo(p packet) error {
	if l.connect.prop("request-problem", 1) == 1 || p.kind == "PUBLISH" || p.kind == "CONNACK" || p.kind == "DISCONNECT" {
		return nil
	}
	for _, f := range p.props {
		if f.key == "reason" || f.key == "user" {
			return fmt.Errorf("%s for a client without problem information", f)
		}
	}
	return nil
}

func (l *laws) alias(p *packet) error {
	n := p.prop("alias", 0)
	topic := p.get("topic")
	for _, f := range p.props {
		if f.key == "alias" && (n == 0 || n > l.connect.prop("alias-max", 0)) {
			return fmt.Errorf("topic alias %d, but the client takes up to %d", n, l.connect.prop("alias-max", 0))
		}
	}
	switch {
	case n == 0 && topic == "":
		return fmt.Errorf("neither topic nor alias")
	case topic != "":
		l.aliases[n] = topic
	case l.aliases[n] == "":
		return fmt.Errorf("topic alias %d was never set", n)
	}
	return nil
}

// window: packet ids are free ones, no more of them are under way than the client's Receive Maximum, QoS 0 is never DUP.
func (l *laws) window(p packet) error {
	id, dup := p.num("id"), p.num("dup") == 1
	switch {
	case p.num("qos") == 0 && dup:
		return fmt.Errorf("QoS 0 with DUP")
	case p.num("qos") == 0:
		return nil
	case l.inflight[id] && !dup:
		return fmt.Errorf("packet id %d is in use", id)
	}
	l.inflight[id] = true
	if limit := l.connect.prop("receive-max", 65535); len(l.inflight) > limit {
		return fmt.Errorf("%d messages without acknowledgement, but the client takes %d", len(l.inflight), limit)
	}
	return nil
}

func (l *laws) answer(p packet) error {
	want := map[string]string{"SUBACK": "SUBSCRIBE", "UNSUBACK": "UNSUBSCRIBE"}[p.kind]
	if id := p.num("id"); len(l.requested) > 0 && l.requested[id] != want {
		return fmt.Errorf("%s for packet id %d, which no %s used", p.kind, id, want)
	}
	return nil
}
