package mqtttest

import (
	"fmt"
	"strings"
)

// connect opens a connection with a clean start and the id ~name, and wants it accepted; words override the defaults.
func (r *runner) connect(c *conn, words string) error {
	text := "CONNECT " + words
	for _, preset := range []string{"clean=1", "id=" + r.token + c.name} {
		key, _, _ := strings.Cut(preset, "=")
		if !strings.Contains(" "+words, " "+key+"=") {
			text += " " + preset
		}
	}
	if err := r.send(c, text, false); err != nil {
		return err
	}
	return r.wantText(c, "CONNACK present=* …")
}

// subscribe sends the filters in one SUBSCRIBE and wants each granted with the QoS asked for.
func (r *runner) subscribe(c *conn, words string) error {
	var codes []string
	text := "SUBSCRIBE id=65000"
	for _, w := range strings.Fields(words) {
		if strings.HasPrefix(w, "props{") {
			text += " " + w
			continue
		}
		_, opts, err := parseSub(w)
		if err != nil {
			return err
		}
		text, codes = text+" sub="+w, append(codes, fmt.Sprint(opts&3))
	}
	if err := r.send(c, text, false); err != nil {
		return err
	}
	return r.wantText(c, "SUBACK id=65000 codes="+strings.Join(codes, ","))
}

// publish sends one message and goes through the whole of its handshake, with any code that is no failure; after QoS 0 it
// waits for a PINGRESP, so that the broker has taken the message in any case.
func (r *runner) publish(c *conn, words string) error {
	p, err := parsePacket("PUBLISH " + words)
	if err != nil {
		return err
	}
	const id = " id=65001"
	flow := []string{"> PUBLISH " + words, "> PINGREQ", "< PINGRESP"}
	switch p.num("qos") {
	case 1:
		flow = []string{"> PUBLISH " + words + id, "< PUBACK code=0..127" + id}
	case 2:
		flow = []string{"> PUBLISH " + words + id, "< PUBREC code=0..127" + id, "> PUBREL" + id, "< PUBCOMP" + id}
	}
	for _, line := range flow {
		text, out := strings.CutPrefix(line, "> ")
		if out {
			err = r.send(c, text, false)
		} else {
			err = r.wantText(c, strings.TrimPrefix(line, "< "))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
