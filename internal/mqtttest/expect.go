package mqtttest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

func (r *runner) wantText(c *conn, text string) error {
	want, err := parsePacket(text)
	if err != nil {
		return err
	}
	return r.want(c, want)
}

func (r *runner) want(c *conn, want packet) error {
	got, err := c.next(r.wait)
	if err != nil {
		return fmt.Errorf("%s waits for %s: %w", c.name, want, err)
	}
	if bad := compare(want, got, r.vars); bad != "" {
		return fmt.Errorf("%s: %s\nwant %s\n got %s", c.name, bad, want, got)
	}
	return nil
}

// receive wants the packet on the connection, or on exactly one of several.
func (r *runner) receive(st step) error {
	conns, err := r.known(st.conn)
	if err != nil {
		return err
	}
	if len(conns) == 1 {
		return r.wantText(conns[0], st.text)
	}
	want, err := parsePacket(st.text)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(r.wait); time.Now().Before(deadline); {
		for i, c := range conns {
			got, err := c.next(time.Millisecond)
			if errors.Is(err, errSilence) {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if bad := compare(want, got, r.vars); bad != "" {
				return fmt.Errorf("%s: %s\nwant %s\n got %s", c.name, bad, want, got)
			}
			r.name(st.as, conns, i)
			return nil
		}
	}
	return fmt.Errorf("none of %v got %s", st.conn, want)
}

// name gives the receiver, and with two connections the other one, further names.
func (r *runner) name(as string, conns []*conn, got int) {
	winner, loser, _ := strings.Cut(as, "/")
	if winner != "" {
		r.conns[winner] = conns[got]
	}
	if loser != "" && len(conns) == 2 {
		r.conns[loser] = conns[1-got]
	}
}

func (r *runner) known(names []string) ([]*conn, error) {
	var conns []*conn
	for _, name := range names {
		c, ok := r.conns[name]
		if !ok {
			return nil, fmt.Errorf("there is no connection %s", name)
		}
		conns = append(conns, c)
	}
	return conns, nil
}

// receiveSet wants as many packets as there are lines, in any order.
func (r *runner) receiveSet(steps []step) error {
	conns, err := r.known(steps[0].conn[:1])
	if err != nil {
		return err
	}
	var wanted []packet
	for _, st := range steps {
		want, err := parsePacket(strings.ReplaceAll(st.text, "~", r.token))
		if err != nil {
			return err
		}
		wanted = append(wanted, want)
	}
	for len(wanted) > 0 {
		got, err := conns[0].next(r.wait)
		if err != nil {
			return fmt.Errorf("%s waits for %s: %w", conns[0].name, wanted[0], err)
		}
		at := slices.IndexFunc(wanted, func(want packet) bool { return compare(want, got, r.vars) == "" })
		if at < 0 {
			return fmt.Errorf("%s: nothing of the set left fits\n got %s\nleft %v", conns[0].name, got, wanted)
		}
		wanted = slices.Delete(wanted, at, at+1)
	}
	return nil
}

// closed wants the peer to end the connection without another packet.
func (r *runner) closed(name string) error {
	conns, err := r.known([]string{name})
	if err != nil {
		return err
	}
	switch got, err := conns[0].next(r.wait); {
	case errors.Is(err, io.EOF):
		conns[0].close(false)
		delete(r.conns, name)
		return nil
	case err != nil:
		return fmt.Errorf("%s should be closed: %w", name, err)
	default:
		return fmt.Errorf("%s should be closed, but got %s", name, got)
	}
}

// ends wants the peer to end the connection, whatever it says before.
func (r *runner) ends(name string) error {
	conns, err := r.known([]string{name})
	if err != nil {
		return err
	}
	deadline := time.After(r.wait)
	for {
		select {
		case _, more := <-conns[0].frames:
			if !more {
				conns[0].close(false)
				delete(r.conns, name)
				return nil
			}
		case <-deadline:
			return fmt.Errorf("%s should be closed", name)
		}
	}
}

func (r *runner) silent(st step) error {
	wait := quietTime
	if st.text != "" {
		var err error
		if wait, err = time.ParseDuration(st.text); err != nil {
			return err
		}
	}
	conns, err := r.known(st.conn)
	if err != nil {
		return err
	}
	switch got, err := conns[0].next(wait); {
	case errors.Is(err, errSilence):
		return nil
	case err != nil:
		return fmt.Errorf("%s should be silent: %w", st.conn[0], err)
	default:
		return fmt.Errorf("%s should be silent, but got %s", st.conn[0], got)
	}
}
