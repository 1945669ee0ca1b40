package mqtttest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// wsConn is the client side of a WebSocket (RFC 6455), as little of it as carries MQTT: each Write is one masked binary
// frame, and Read gives the payload of the server's frames as a stream.
type wsConn struct {
	net.Conn
	r        *bufio.Reader
	left     int // of the frame being read
	protocol string
}

// The frame types of RFC 6455 clause 5.2 that a server may send to an MQTT client.
const (
	wsMore   = 0
	wsBinary = 2
	wsClose  = 8
	wsPing   = 9
	wsPong   = 10
)

// wsFinal is set in the first byte of a frame that ends its message.
const wsFinal = 0x80

// dialWS opens a WebSocket on path /mqtt offering the subprotocols, and keeps the one the server chose.
func dialWS(addr, offer string) (*wsConn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	var offered string
	if offer != "" {
		offered = "Sec-WebSocket-Protocol: " + offer + "\r\n"
	}
	fmt.Fprintf(nc, "GET /mqtt HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n%s\r\n", addr, offered)
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("WebSocket handshake: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		nc.Close()
		return nil, fmt.Errorf("WebSocket handshake: status %s", resp.Status)
	}
	return &wsConn{Conn: nc, r: r, protocol: strings.TrimSpace(resp.Header.Get("Sec-WebSocket-Protocol"))}, nil
}

func (w *wsConn) Write(p []byte) (int, error) { return len(p), w.writeFrame(wsFinal|wsBinary, p) }

// writeFrame masks with zeros: legal, and readable in a packet dump.
func (w *wsConn) writeFrame(first byte, p []byte) error {
	head := []byte{first}
	switch {
	case len(p) < 126:
		head = append(head, 0x80|byte(len(p)))
	case len(p) < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(len(p)))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(len(p)))
	}
	head = append(head, 0, 0, 0, 0)
	_, err := w.Conn.Write(append(head, p...))
	return err
}

func (w *wsConn) Read(p []byte) (int, error) {
	for w.left == 0 {
		kind, size, err := w.readHead()
		if err != nil {
			return 0, err
		}
		switch kind {
		case wsMore, wsBinary:
			w.left = size
		case wsPing, wsPong:
			if _, err := w.r.Discard(size); err != nil {
				return 0, err
			}
		case wsClose:
			return 0, io.EOF
		default:
			return 0, fmt.Errorf("the server sent a WebSocket frame of type %d", kind)
		}
	}
	n, err := w.r.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

// frameOf writes a hand-made frame: its first byte, then its payload, in the notation of raw lines.
func frameOf(c *conn, text string) error {
	raw, err := parseRaw(text)
	ws, ok := c.nc.(*wsConn)
	switch {
	case err != nil:
		return err
	case !ok || len(raw) == 0:
		return errors.New("frame needs a WebSocket and a first byte")
	}
	return ws.writeFrame(raw[0], raw[1:])
}

func (w *wsConn) readHead() (kind byte, size int, err error) {
	head := make([]byte, 2, 8)
	if _, err := io.ReadFull(w.r, head); err != nil {
		return 0, 0, err
	}
	size = int(head[1] & 127)
	if size >= 126 {
		ext := make([]byte, map[int]int{126: 2, 127: 8}[size])
		if _, err := io.ReadFull(w.r, ext); err != nil {
			return 0, 0, err
		}
		size = 0
		for _, b := range ext {
			size = size<<8 | int(b)
		}
	}
	return head[0] & 15, size, nil
}
