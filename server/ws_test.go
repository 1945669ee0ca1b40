package server

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// wsRequest is a good request, which cases change.
const wsRequest = "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

// wsClient is the client's side of a WebSocket, frame by frame.
type wsClient struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

// askWS sends a request and returns the answer.
func askWS(t testing.TB, nc net.Conn, request string) (*wsClient, *http.Response) {
	t.Helper()
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(nc)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &wsClient{nc, t, in}, resp
}

// openWS opens a WebSocket on a listener of kind ws or wss.
func openWS(t testing.TB, ts *testServer, kind string) *wsClient {
	t.Helper()
	var nc net.Conn = dial(t, ts.addr(kind))
	if kind == "wss" {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	w, resp := askWS(t, nc, wsRequest)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the WebSocket is refused: %s", resp.Status)
	}
	return w
}

// wsFrame is a masked frame. first is fin, reserved bits and operation code.
func wsFrame(first byte, payload []byte) []byte {
	f := ws.NewFrame(ws.OpCode(first&0xf), first&finBit != 0, bytes.Clone(payload))
	f.Header.Rsv = first >> 4 & 7
	return ws.MustCompileFrame(ws.MaskFrameInPlaceWith(f, [4]byte{0xde, 0xad, 0xbe, 0xef}))
}

// message is a binary frame that is a message of its own.
func message(payload ...[]byte) []byte { return wsFrame(finBit|opBinary, bytes.Join(payload, nil)) }

// readFrame reads a frame of the server.
func readFrame(in io.Reader) (ws.Frame, error) {
	h, err := ws.ReadHeader(in)
	if err != nil || h.Length > 2<<20 {
		return ws.Frame{Header: h}, fmt.Errorf("no frame, or a long one: %+v, %w", h, err)
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(in, payload)
	return ws.Frame{Header: h, Payload: payload}, err
}

// read returns the next frame of the server.
func (w *wsClient) read() ws.Frame {
	w.t.Helper()
	f, err := readFrame(w.in)
	if err != nil {
		w.t.Fatal(err)
	}
	if f.Header.Masked || f.Header.Rsv != 0 || !f.Header.Fin {
		w.t.Errorf("got the header %+v", f.Header)
	}
	return f
}

func (w *wsClient) want(op ws.OpCode, payload ...[]byte) {
	w.t.Helper()
	if f := w.read(); f.Header.OpCode != op || !bytes.Equal(f.Payload, bytes.Join(payload, nil)) {
		w.t.Errorf("got operation %d with % x, want %d with % x", f.Header.OpCode, f.Payload, op, payload)
	}
}

func (w *wsClient) send(parts ...[]byte) {
	w.t.Helper()
	if _, err := w.Write(bytes.Join(parts, nil)); err != nil {
		w.t.Fatal(err)
	}
}

func TestWSRequest(t *testing.T) {
	f := func(options, old, fresh string, status int, say string) {
		t.Helper()
		ts := startTestServer(t, "ws.a = 127.0.0.1:0\n"+options)
		request := strings.Replace(wsRequest, old, fresh, 1)
		w, resp := askWS(t, dial(t, ts.addr("ws")), request)
		if resp.StatusCode != status {
			t.Errorf("%q for %q: got %s, want %d", fresh, old, resp.Status, status)
		}
		if status != http.StatusSwitchingProtocols {
			if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), say) {
				t.Errorf("%q for %q: the answer says %q, want %q", fresh, old, body, say)
			}
			wantEnd(t, w.in)
			ts.wantEnded("ws", "websocket_refused")
			return
		}
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != say {
			t.Errorf("%q for %q: got subprotocol %q, want %q", fresh, old, got, say)
		}
		if got := resp.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455 clause 1.3
			t.Errorf("got Sec-WebSocket-Accept %q", got)
		}
		w.send(message(connectPacket("c")))
		w.want(ws.OpBinary, connack)
	}
	const offer = "Sec-WebSocket-Protocol: mqtt\r\n"
	f("", "", "", 101, "mqtt")
	f("", "/mqtt", "/mqtt?token=1", 101, "mqtt")
	f("", "Upgrade: websocket", "upgrade: WebSocket", 101, "mqtt")
	f("ws.a.mqtt_path = /", "/mqtt", "/", 101, "mqtt")
	f("", "GET", "POST", 405, "method")
	f("", "/mqtt", "/", 404, "/mqtt")
	f("", "HTTP/1.1", "HTTP/1.0", 505, "protocol")
	f("", "Version: 13", "Version: 8", 426, "")
	f("", "Upgrade: websocket\r\n", "", 400, "Upgrade")
	f("", "keep-alive, Upgrade", "close", 400, "Connection")
	f("", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400, "Key")
	f("", "Host: x\r\n", "", 400, "Host")
	f("", "Host: x", "Host x", 400, "")
	f("", "GET", "hello", 400, "HTTP")
	f("", "GET /mqtt HTTP/1.1", "GET", 400, "HTTP")
	f("", "Host: x", "Host: x\r\nCookie: "+strings.Repeat("c", 7000), 101, "mqtt")
	f("", "Host: x", "Host: x\r\nCookie: "+strings.Repeat("c", maxRequest), 431, "8192 bytes")

	f("", offer, "", 400, "expected one of mqtt, mqtt-v3")
	f("ws.a.fail_if_no_subprotocol = false", offer, "", 101, "")
	f("", offer, "Sec-WebSocket-Protocol: chat\r\n", 400, "expected one of mqtt")
	f("ws.a.fail_if_no_subprotocol = false", offer, "Sec-WebSocket-Protocol: chat\r\n", 101, "")
	f("", offer, "Sec-WebSocket-Protocol: chat, mqtt-v5, mqtt\r\n", 101, "mqtt-v5")
	f("", offer, "Sec-WebSocket-Protocol: mqttv3.1\r\n", 101, "mqttv3.1")
	f("ws.a.supported_subprotocols = mqtt", offer, "Sec-WebSocket-Protocol: mqtt-v5, mqtt\r\n", 101, "mqtt")

	const origins = "ws.a.check_origin_enable = true\nws.a.check_origins = http://a, https://b:8084"
	f("", "Host: x", "Host: x\r\nOrigin: http://evil", 101, "mqtt")
	f(origins, "Host: x", "Host: x\r\nOrigin: http://a", 101, "mqtt")
	f(origins, "Host: x", "Host: x\r\nOrigin: HTTPS://B:8084", 101, "mqtt")
	f(origins, "Host: x", "Host: x\r\nOrigin: http://evil", 403, `"http://evil"`)
	f(origins, "", "", 101, "mqtt")
	f(origins+"\nws.a.allow_origin_absence = false", "", "", 403, "origin")
}

// TestWSRequestInPieces sends the request and what follows byte by byte.
func TestWSRequestInPieces(t *testing.T) {
	l := newTapeListener(t, "ws.a = 127.0.0.1:0")
	k := l.connect(t)
	for _, b := range append([]byte(wsRequest), message(connectPacket("c"))...) {
		k.bring([]byte{b})
	}
	_, frames, _ := bytes.Cut(k.written(), []byte("\r\n\r\n"))
	if want := append([]byte{finBit | opBinary, 4}, connack...); !bytes.Equal(frames, want) {
		t.Errorf("got % x, want % x", frames, want)
	}
}

func TestWSBehindProxy(t *testing.T) {
	const on = "ws.a.proxy_address_header = X-Forwarded-For\nws.a.proxy_port_header = X-Forwarded-Port"
	f := func(options, headers, want string) {
		t.Helper()
		l := newTapeListener(t, "ws.a = 127.0.0.1:0\n"+options)
		k := l.connect(t)
		k.bring([]byte(strings.Replace(wsRequest, "Host: x\r\n", "Host: x\r\n"+headers, 1)))
		if got := k.conn.info.Peer.String(); got != want {
			t.Errorf("%q: got %s, want %s", headers, got, want)
		}
	}
	f("", "X-Forwarded-For: 192.0.2.1\r\n", "127.0.0.1:1")
	f(on, "", "127.0.0.1:1")
	f(on, "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Port: 4711\r\n", "192.0.2.1:4711")
	f(on, "x-forwarded-for: 192.0.2.1\r\n", "192.0.2.1:1")
	f(on, "X-Forwarded-For: 192.0.2.1, 10.0.0.1\r\n", "192.0.2.1:1")
	f(on, "X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Port: 1\r\n", "[2001:db8::1]:1")
	f(on, "X-Forwarded-For: 192.0.2.1:99\r\n", "192.0.2.1:99")
	f(on, "X-Forwarded-For: unknown\r\nX-Forwarded-Port: 70000\r\n", "127.0.0.1:1")
}

// TestWSFrames brings MQTT in every shape that frames allow, over plain and
// TLS listeners.
func TestWSFrames(t *testing.T) {
	for _, kind := range []string{"ws", "wss"} {
		ts := startTestServer(t, kind+".a = 127.0.0.1:0")
		connect := connectPacket("c")
		f := func(name string, frames ...[]byte) {
			t.Helper()
			w := openWS(t, ts, kind)
			defer w.Close()
			w.send(frames...)
			w.want(ws.OpBinary, connack, pong311)
			w.send(wsFrame(finBit|opClose, []byte{0x03, 0xe8}))
			w.want(ws.OpClose, []byte{0x03, 0xe8})
			if t.Failed() {
				t.Fatalf("%s, %s", kind, name)
			}
		}
		f("one frame with two packets", message(connect, ping))
		f("two frames", message(connect), message(ping))
		f("a packet in two messages", message(connect[:3]), message(connect[3:], ping))
		f("fragments", wsFrame(opBinary, connect[:1]), wsFrame(opContinuation, connect[1:]), wsFrame(finBit|opContinuation, ping))
		f("empty frames", message(), message(connect), message(), message(ping), message())
		f("an empty fragment", wsFrame(opBinary, nil), wsFrame(opContinuation, nil), wsFrame(finBit|opContinuation, append(connect, ping...)))
		f("a pong nobody asked for", wsFrame(finBit|opPong, []byte("x")), message(connect, ping))
	}
}

func TestWSControlFrames(t *testing.T) {
	ts := startTestServer(t, "ws.a = 127.0.0.1:0")
	connect := connectPacket("c")
	w := openWS(t, ts, "ws")
	long := bytes.Repeat([]byte("p"), maxControl)
	w.send(wsFrame(opBinary, connect[:5]), wsFrame(finBit|opPing, nil), wsFrame(opContinuation, connect[5:9]), wsFrame(finBit|opPing, long))
	w.want(ws.OpPong)
	w.want(ws.OpPong, long)
	w.send(wsFrame(finBit|opContinuation, connect[9:]))
	w.want(ws.OpBinary, connack)
	w.send(message(ping), wsFrame(finBit|opPing, []byte("between")), message(ping))
	w.want(ws.OpBinary, pong311) // in the order of the client's frames
	w.want(ws.OpPong, []byte("between"))
	w.want(ws.OpBinary, pong311)
	w.send(wsFrame(finBit|opClose, append([]byte{0x03, 0xe9}, "going"...)))
	w.want(ws.OpClose, []byte{0x03, 0xe9})
	wantEnd(t, w.in)
	ts.wantEnded("ws", "closed")
}

func TestWSViolations(t *testing.T) {
	ts := startTestServer(t, "ws.a = 127.0.0.1:0\nws.a.max_frame_size = 100")
	f := func(name string, status uint16, word string, frames ...[]byte) {
		t.Helper()
		w := openWS(t, ts, "ws")
		before := ts.status("ws").Ended[word]
		w.send(frames...)
		w.want(ws.OpClose, []byte{byte(status >> 8), byte(status)})
		wantEnd(t, w.in)
		if !eventually(func() bool { return ts.status("ws").Ended[word] > before }) {
			t.Errorf("%s: got ends %v, want one more of %s", name, ts.status("ws").Ended, word)
		}
	}
	const bad = "websocket_error"
	f("text", closeUnsupported, "unexpected_ws_frame", wsFrame(finBit|opText, []byte("hi")))
	f("too long", closeTooBig, "frame_too_large", message(make([]byte, 101)))
	f("too long, 64 bits", closeTooBig, "frame_too_large", []byte{finBit | opBinary, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4})
	f("not masked", closeProtocol, bad, []byte{finBit | opBinary, 1, 0})
	f("the highest bit of the length", closeProtocol, bad, []byte{finBit | opBinary, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4})
	f("a reserved bit", closeProtocol, bad, wsFrame(finBit|0x40|opBinary, nil))
	f("an unknown data frame", closeProtocol, bad, wsFrame(finBit|3, nil))
	f("an unknown control frame", closeProtocol, bad, wsFrame(finBit|11, nil))
	f("a continuation of nothing", closeProtocol, bad, wsFrame(finBit|opContinuation, nil))
	f("a message within a message", closeProtocol, bad, wsFrame(opBinary, nil), wsFrame(opBinary, nil))
	f("a control frame in fragments", closeProtocol, bad, wsFrame(opPing, nil))
	f("a long control frame", closeProtocol, bad, wsFrame(finBit|opPing, make([]byte, maxControl+1)))
	f("half a close code", closeProtocol, bad, wsFrame(finBit|opClose, []byte{3}))
	f("a close code that must not be sent", closeProtocol, bad, wsFrame(finBit|opClose, []byte{0x03, 0xee}))
	f("a close reason that isn't UTF-8", closeProtocol, bad, wsFrame(finBit|opClose, []byte{0x03, 0xe8, 0xff}))
	f("no MQTT", closeNormal, "protocol_error", message(ping))
}

func TestCloseStatus(t *testing.T) {
	f := func(status uint16, ok bool) {
		t.Helper()
		if _, got := closeStatus([]byte{byte(status >> 8), byte(status)}); got != ok {
			t.Errorf("%d: got %t, want %t", status, got, ok)
		}
	}
	f(999, false)
	f(1000, true)
	f(1003, true)
	f(1004, false)
	f(1006, false)
	f(1007, true)
	f(1014, true)
	f(1015, false)
	f(2999, false)
	f(3000, true)
	f(4999, true)
	f(5000, false)
}

func TestPiggyback(t *testing.T) {
	f := func(value string, want ...[]byte) {
		t.Helper()
		ts := startTestServer(t, "ws.a = 127.0.0.1:0\nws.a.mqtt_piggyback = "+value)
		w := openWS(t, ts, "ws")
		w.send(message(connectPacket("c"), ping, ping))
		for _, p := range want {
			w.want(ws.OpBinary, p)
		}
	}
	f("multiple", bytes.Join([][]byte{connack, pong311, pong311}, nil))
	f("single", connack, pong311, pong311)
}

// TestWSLargeOutput sends more than the socket takes at once, in messages that
// are copied and messages that are not, over loops and over streams.
func TestWSLargeOutput(t *testing.T) {
	f := func(kind, piggyback string) {
		t.Helper()
		ts := startTestServer(t, kind+".a = 127.0.0.1:0\n"+kind+".a.sndbuf = 8KB\n"+kind+".a.mqtt_piggyback = "+piggyback)
		w := openWS(t, ts, kind)
		subscribe := mqtt.Append(nil, &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: "t"}}}, mqtt.V311)
		w.send(message(connectPacket("c"), subscribe))
		stream := &wsPayload{w: w}
		talk(t, struct {
			io.Reader
			io.Writer
		}{stream, io.Discard}, nil, append(bytes.Clone(connack), 0x90, 3, 0, 1, 0))

		var want []byte
		for i := range 60 {
			m := mqtt.Append(nil, &mqtt.Publish{Topic: "t", Payload: bytes.Repeat([]byte{byte(i)}, 1<<(i%18))}, mqtt.V311)
			want = append(want, m...)
			w.send(message(m))
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(stream, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s, %s: what arrives is not what was published: %v", kind, piggyback, err)
		}
		if piggyback == "single" && stream.frames != 62 {
			t.Errorf("%s: %d frames for 62 packets", kind, stream.frames)
		}
	}
	f("ws", "multiple")
	f("ws", "single")
	f("wss", "multiple")
	f("wss", "single")
}

// wsPayload is the payload of the server's binary frames as a stream.
type wsPayload struct {
	w      *wsClient
	left   []byte
	frames int
}

func (s *wsPayload) Read(p []byte) (int, error) {
	for len(s.left) == 0 {
		f, err := readFrame(s.w.in)
		if err != nil {
			return 0, err
		}
		if f.Header.OpCode != ws.OpBinary || f.Header.Length == 0 {
			return 0, fmt.Errorf("a frame %+v", f.Header)
		}
		s.frames++
		s.left = f.Payload
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// TestPingFlood pings without reading the answers: they must not pile up.
func TestPingFlood(t *testing.T) {
	l := newTapeListener(t, "ws.a = 127.0.0.1:0\nws.a.high_watermark = 10KB")
	k := l.connect(t)
	k.bring([]byte(wsRequest))
	k.room = 0
	for range 10000 {
		k.bring(wsFrame(finBit|opPing, make([]byte, 100)))
	}
	k.conn.mu.Lock()
	defer k.conn.mu.Unlock()
	if size := k.conn.out.size; size > 11<<10 {
		t.Errorf("%d bytes wait to be sent", size)
	}
}

func TestWSIdleTimeout(t *testing.T) {
	ts := startTestServer(t, "ws.a = 127.0.0.1:0\nws.a.idle_timeout = 2s")
	w := openWS(t, ts, "ws")
	from := time.Now() // before the last frame, however late it is seen what came of that
	w.send(message(connectPacket("c")))
	w.want(ws.OpBinary, connack)
	w.want(ws.OpClose, []byte{0x03, 0xe8})
	if took := time.Since(from); took < time.Second {
		t.Errorf("ended after %v, want 2s", took)
	}
	ts.wantEnded("ws", "idle_timeout")
}

// TestWSGoodbye ends connections from this side.
func TestWSGoodbye(t *testing.T) {
	for _, kind := range []string{"ws", "wss"} {
		ts := startTestServer(t, kind+".a = 127.0.0.1:0")
		w := openWS(t, ts, kind)
		w.send(message(mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V5, ClientID: "c"}, mqtt.V5)))
		w.read()
		go ts.Stop()
		w.want(ws.OpBinary, []byte{0xe0, 1, byte(mqtt.ServerShuttingDown)})
		w.want(ws.OpClose, []byte{0x03, 0xe8})
		wantEnd(t, w.in)
	}
}
