package server

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/server/netloop"
)

// conn is one connection: what arrives on its link is fed to it, what it has
// to say gathers in its output until a Flush. It implements netloop.Handler
// for its link, broker.Conn for its client and broker.Timer for its deadlines.
//
// The fields above mu belong to the goroutine that feeds the connection.
type conn struct {
	listener *terms
	link     link
	framing  framing // nil: MQTT stands on the link as it is
	stream   mqtt.Stream
	in       []byte           // the beginning of a packet whose rest has not arrived
	client   *broker.Client   // nil before CONNECT is accepted
	info     *hook.ClientInfo // fixed once CONNECT is accepted; replaced with mu held
	aliases  *aliases         // nil: none in use
	access   *access          // nil: nothing is kept for package auth; set with mu held
	topic    string           // the last topic that passed the checks of PUBLISH
	allowed  int64            // when the ACL allowed a PUBLISH to it, Unix milliseconds; 0: it has not

	limits   atomic.Pointer[limits]   // nil: none
	receipts atomic.Pointer[receipts] // nil: none was ever owed
	lastRead atomic.Int64             // Unix milliseconds
	held     atomic.Uint32            // why input must wait, see hold.go: the rest lies in `in`
	over     atomic.Bool              // end is set
	accepted atomic.Bool              // CONNECT is

	mu       sync.Mutex
	opened   *broker.Client // client, for other goroutines
	out      *output        // nil: nothing to write
	unsent   aliasTable
	traffic  traffic
	end      broker.Ending // Word is empty while the connection lives
	expiry   *uint32       // from the client's DISCONNECT
	timer    int64         // when the wheel fires for us; 0: not scheduled
	stalled  int64         // since when the link has not taken what is in out; 0: it has
	resume   int64         // when a rate limit lets input go on; 0: it isn't held
	silence  int64         // milliseconds without input that end the connection; 0: any
	maxOut   uint32        // the client's Maximum Packet Size; 0: none
	version  mqtt.Version
	touched  bool // on the list of some batch
	problem  bool // the client wants reason strings and user properties on failures
	dropWill bool
}

// Readable is netloop.Handler's.
func (c *conn) Readable(np netloop.Pass, data []byte) {
	p := np.(*pass)
	if c.accepted.Load() { // before, the time for CONNECT runs, whatever drips in
		c.lastRead.Store(p.batch.Now())
	}
	c.listener.server.count.bytesReceived.Add(uint64(len(data)))
	size := len(data)
	if c.framing != nil {
		c.framing.feed(c, p, data)
	} else {
		c.feed(p, data)
	}
	if m := c.limits.Load(); m != nil {
		m.bytes(c, p, size)
	}
	c.fed(p, size)
}

// feed takes bytes of the MQTT stream and handles every packet that is whole.
func (c *conn) feed(p *pass, data []byte) {
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	for len(data) > 0 && c.held.Load() == 0 {
		packet, n, err := p.decoder.Next(&c.stream, data)
		if err != nil {
			c.malformed(err)
			return
		}
		if n == 0 {
			break
		}
		data = data[n:]
		c.handle(p, packet)
		if c.ended() {
			return
		}
	}
	c.keep(data)
}

// keep stores what is left of the input for the next time.
func (c *conn) keep(rest []byte) {
	switch {
	case len(rest) == 0:
		c.in = nil
	case len(c.in) > 0:
		c.in = c.in[:copy(c.in, rest)]
	default:
		c.in = append([]byte(nil), rest...)
	}
}

// Woken is netloop.Handler's: what had to wait goes on.
func (c *conn) Woken(np netloop.Pass) {
	p := np.(*pass)
	if c.ended() {
		return
	}
	c.proceed(p)
	if len(c.in) > 0 && c.held.Load() == 0 && !c.ended() {
		c.feed(p, nil)
	}
	c.fed(p, 0)
}

// Writable is netloop.Handler's.
func (c *conn) Writable(np netloop.Pass) {
	c.mu.Lock()
	c.stalled = 0
	c.flush()
	room := c.out == nil
	client := c.opened
	c.mu.Unlock()
	if !room || client == nil {
		return
	}
	client.Drain(np.(*pass).batch, c)
	c.release(heldByOutput)
}

// Closed is netloop.Handler's: the link is gone, for whatever reason.
func (c *conn) Closed(np netloop.Pass, err error) {
	p := np.(*pass)
	c.mu.Lock()
	if c.end.Word == "" {
		c.end = broker.Ending{Word: wordOf(err)}
	}
	why, expiry, dropWill := c.end.Word, c.expiry, c.dropWill
	c.listener.server.broker.Reschedule(c, c.timer, 0)
	c.timer = 0
	if c.out != nil {
		c.out.free()
		c.out = nil
	}
	c.mu.Unlock()
	if c.listener.zone.CongestionAlarm {
		c.listener.server.congestion.remove(c)
	}
	c.in = nil
	if c.access != nil && c.access.suspended != nil {
		if gone := c.access.suspended.gone; gone != nil {
			gone()
		}
		c.access.suspended = nil // its answers may come for seconds still
	}
	c.traceGone(why)
	c.listener.gone(c, why)
	if c.client != nil {
		c.client.Close(p.batch, c, why, expiry, !dropWill)
	}
}

// wordOf is the disconnect word of an error of the link.
func wordOf(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return "closed"
	case errors.Is(err, net.ErrClosed), errors.Is(err, syscall.EPIPE):
		return "einval" // the broker wanted to write and the socket was gone
	case errors.As(err, &errno):
		switch errno {
		case syscall.ETIMEDOUT:
			return "etimedout"
		case syscall.ECONNRESET:
			return "econnreset"
		case syscall.ENOTCONN:
			return "enotconn"
		}
	}
	return "closed"
}

func (c *conn) ended() bool { return c.over.Load() }

// End is broker.Conn's: it closes the connection, telling a version 5 client
// why [MQTT-4.13.2-1].
func (c *conn) End(why broker.Ending) { c.endWith(why, nil) }

func (c *conn) endWith(why broker.Ending, props *mqtt.Properties) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.Word != "" {
		return
	}
	c.end = why
	c.over.Store(true)
	if why.Code != mqtt.Success && c.version == mqtt.V5 && c.accepted.Load() {
		k := &mqtt.Disconnect{Code: why.Code, Props: props}
		if !c.fits(k) {
			k.Props = nil // [MQTT-3.14.2-3]
		}
		c.append(k)
	}
	c.shut()
}

// shut flushes and closes the link; mu is held and end is set.
func (c *conn) shut() {
	if c.stalled != 0 {
		c.link.Close(errEnded)
		return
	}
	if c.framing != nil {
		c.appendSealed(c.framing.goodbye(nil))
	}
	c.flush()
	c.link.Shutdown(errEnded)
}

// errEnded is what the link is closed with when this side ends the connection;
// the word is in conn.end.
var errEnded = errors.New("ended by the broker")

// fail ends the connection because of what the client did. say goes to the
// client as a reason string, if it wants that.
func (c *conn) fail(code mqtt.ReasonCode, word, say string) {
	var props *mqtt.Properties
	c.mu.Lock()
	info := c.info
	if c.problem && say != "" {
		props = &mqtt.Properties{Present: mqtt.PropReasonString, ReasonString: say}
	}
	c.mu.Unlock()
	c.listener.server.log.Info("a connection is closed", "client", info.ClientID, "peer", info.Peer, "reason", word, "why", say)
	c.traceFault(info, "closing", word, say)
	c.endWith(broker.Ending{Code: code, Word: word}, props)
}

// malformed ends the connection because its bytes are no packet.
func (c *conn) malformed(err error) {
	e := &mqtt.Error{Code: mqtt.MalformedPacket, Word: "malformed_packet", Msg: err.Error()}
	errors.As(err, &e)
	switch {
	case c.client != nil:
		c.fail(e.Code, e.Word, e.Msg)
	case e.Code == mqtt.UnsupportedProtocolVersion: // [MQTT-3.1.2-2]
		c.refuse(max(c.stream.Version, mqtt.V311), e.Code, e.Word, e.Msg, nil)
	case c.stream.Version == mqtt.V5:
		c.refuse(mqtt.V5, e.Code, e.Word, e.Msg, nil)
	default: // before version 5 there is no CONNACK for bytes that are none [MQTT-3.1.4-1@311]
		c.fail(mqtt.Success, e.Word, e.Msg)
	}
}
