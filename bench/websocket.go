package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// webSocket carries MQTT in binary frames, MQTT 5 clause 6.0. One goroutine
// may read while one writes.
type webSocket struct {
	net.Conn
	in    wsutil.Reader
	begun bool // in is inside a message

	mu sync.Mutex // frames of writer and of pongs must not mix
}

func upgradeWebSocket(conn net.Conn, to broker, path string) (net.Conn, error) {
	d := ws.Dialer{Protocols: []string{"mqtt"}}
	address := &url.URL{Scheme: "ws", Host: to.String(), Path: path}
	early, shake, err := d.Upgrade(conn, address)
	if err != nil {
		return nil, err
	}
	if shake.Protocol != "mqtt" {
		return nil, errors.New("the broker did not agree to the subprotocol mqtt")
	}
	w := &webSocket{Conn: conn}
	w.in = wsutil.Reader{Source: conn, State: ws.StateClientSide, OnIntermediate: w.control}
	if early != nil { // frames came along with the answer
		w.in.Source = io.MultiReader(io.LimitReader(early, int64(early.Buffered())), conn)
	}
	return w, nil
}

// Read gives the payload of the next binary frames, in pieces.
func (w *webSocket) Read(p []byte) (int, error) {
	for {
		if !w.begun {
			header, err := w.in.NextFrame()
			if err != nil {
				return 0, err
			}
			if header.OpCode.IsControl() {
				if err := w.control(header, &w.in); err != nil {
					return 0, err
				}
				continue
			}
			if header.OpCode != ws.OpBinary {
				return 0, fmt.Errorf("the broker sent a WebSocket frame with opcode %d, expected binary", header.OpCode)
			}
			w.begun = true
		}
		n, err := w.in.Read(p)
		if errors.Is(err, io.EOF) { // of the message
			w.begun, err = false, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// control answers a ping and takes a close for the end.
func (w *webSocket) control(header ws.Header, from io.Reader) error {
	body, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	switch header.OpCode {
	case ws.OpClose:
		return io.EOF
	case ws.OpPing:
		return w.frame(ws.NewPongFrame(body))
	}
	return nil
}

// Write sends p as one binary frame.
func (w *webSocket) Write(p []byte) (int, error) {
	// Masking changes the payload, and p is the caller's.
	if err := w.frame(ws.NewBinaryFrame(append([]byte(nil), p...))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *webSocket) frame(f ws.Frame) error {
	whole, err := ws.CompileFrame(ws.MaskFrameInPlace(f)) // one write for header and payload
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err = w.Conn.Write(whole)
	return err
}
