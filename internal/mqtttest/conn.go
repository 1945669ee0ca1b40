package mqtttest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// conn is one connection of a scenario. A goroutine reads frames into a channel until the connection ends; everything else
// happens on the scenario's own goroutine.
type conn struct {
	name    string
	nc      net.Conn
	version int
	laws    *laws
	held    []byte // written with the next send
	frames  chan frame
	err     error // why the reader stopped; valid once frames is closed
}

// frameBuffer is far more than a scenario receives, so that the reader does not block when nobody looks.
const frameBuffer = 4096

func openConn(name string, nc net.Conn, version int) *conn {
	c := &conn{name: name, nc: nc, version: version, laws: newLaws(), frames: make(chan frame, frameBuffer)}
	go c.read()
	return c
}

func (c *conn) read() {
	defer close(c.frames)
	r := bufio.NewReader(c.nc)
	for {
		f, err := readFrame(r)
		if err != nil {
			c.err = err
			return
		}
		c.frames <- f
	}
}

// send writes bytes, after what was held back.
func (c *conn) send(raw []byte) error {
	raw = append(c.held, raw...)
	c.held = nil
	_, err := c.nc.Write(raw)
	return err
}

// sendPacket encodes and writes, or holds back.
func (c *conn) sendPacket(p packet, hold bool) error {
	if p.kind == "CONNECT" && p.has("v") {
		c.version = p.num("v")
	}
	raw, err := encode(p, c.version)
	if err != nil {
		return err
	}
	c.laws.sent(p)
	if hold {
		c.held = append(c.held, raw...)
		return nil
	}
	return c.send(raw)
}

// open takes a frame off the channel apart.
func (c *conn) open(f frame) (packet, error) {
	p, err := decode(f, c.version)
	if err == nil {
		err = c.laws.received(&p, f.size)
	}
	if err != nil {
		return p, fmt.Errorf("%s got an illegal packet: %s: %w (bytes %x)", c.name, p, err, f.body[:min(len(f.body), 64)])
	}
	return p, nil
}

var errSilence = errors.New("nothing came")

// next waits for a packet. Errors: errSilence after the time, io.EOF in case the peer closed or reset the connection.
func (c *conn) next(wait time.Duration) (packet, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case f, ok := <-c.frames:
		if !ok {
			return packet{}, c.ended()
		}
		return c.open(f)
	case <-timer.C:
		return packet{}, errSilence
	}
}

// ended maps the ways in which a peer goes away to io.EOF.
func (c *conn) ended() error {
	if errors.Is(c.err, io.EOF) || errors.Is(c.err, syscall.ECONNRESET) || errors.Is(c.err, net.ErrClosed) || errors.Is(c.err, os.ErrDeadlineExceeded) {
		return io.EOF
	}
	return fmt.Errorf("%s: %w", c.name, c.err)
}

// close ends the connection from our side: with FIN, or with RST as a vanished client's kernel would.
func (c *conn) close(abort bool) {
	if tcp, ok := c.nc.(*net.TCPConn); ok && abort {
		if err := tcp.SetLinger(0); err != nil {
			return // the peer was faster
		}
	}
	c.nc.Close()
}
