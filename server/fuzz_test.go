package server

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/pires/go-proxyproto"
)

// FuzzWSHeader compares with another implementation of RFC 6455.
func FuzzWSHeader(f *testing.F) {
	f.Add([]byte{0x82, 0x85, 1, 2, 3, 4})
	f.Add([]byte{0x82, 0xfe, 1, 0, 1, 2, 3, 4})
	f.Add([]byte{0x02, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4})
	f.Add([]byte{0x89, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, n := parseWSHeader(data)
		in := bytes.NewReader(data)
		want, err := ws.ReadHeader(in)
		if got.length > 1<<63-1 { // refused by both, here one step later
			return
		}
		if whole := err == nil; whole != (n > 0) {
			t.Fatalf("% x: got %d bytes of header, want %v", data, n, err)
		}
		if n == 0 {
			return
		}
		if n != len(data)-in.Len() || got.first&finBit != 0 != want.Fin || got.first>>4&7 != want.Rsv || ws.OpCode(got.first&0xf) != want.OpCode ||
			got.masked != want.Masked || got.mask != want.Mask || got.length != uint64(want.Length) {
			t.Fatalf("% x: got %+v in %d bytes, want %+v", data, got, n, want)
		}
	})
}

// FuzzWSFraming brings the same bytes at once and in pieces: the control frames
// that answer them and the end must be the same. What MQTT answers may depend
// on what was there before.
func FuzzWSFraming(f *testing.F) {
	connect := connectPacket("c")
	add := func(size byte, frames ...[]byte) {
		f.Add(append([]byte(wsRequest), bytes.Join(frames, nil)...), size)
	}
	add(1, message(connect, ping))
	add(3, wsFrame(opBinary, connect[:4]), wsFrame(finBit|opPing, []byte("x")), wsFrame(finBit|opContinuation, connect[4:]))
	add(7, message(connect), wsFrame(finBit|opClose, []byte{3, 0xe8}))
	add(2, wsFrame(finBit|opText, connect))
	f.Add([]byte(strings.Replace(wsRequest, "/mqtt", "/", 1)), byte(5))
	l := newTapeListener(f, "ws.a = 127.0.0.1:0")
	f.Fuzz(func(t *testing.T, data []byte, size byte) {
		play := func(size int) (answers []byte, end string) {
			k := l.connect(t)
			for rest := data; len(rest) > 0; {
				n := min(size, len(rest))
				k.bring(rest[:n])
				rest = rest[n:]
			}
			_, out, _ := bytes.Cut(k.written(), []byte("\r\n\r\n"))
			in := bytes.NewReader(out)
			for in.Len() > 0 && strings.HasPrefix(string(k.written()), "HTTP/1.1 101") {
				frame, err := readFrame(in)
				if err != nil || frame.Header.Masked || !frame.Header.Fin {
					t.Fatalf("a bad frame from the server: %+v, %v", frame.Header, err)
				}
				if frame.Header.OpCode.IsControl() {
					answers = append(answers, ws.MustCompileFrame(frame)...)
				}
			}
			return answers, k.conn.end.Word
		}
		whole, end := play(len(data) + 1)
		pieces, endOfPieces := play(int(size) + 1)
		if end != endOfPieces || !bytes.Equal(whole, pieces) {
			t.Fatalf("at once: % x, %s; in pieces: % x, %s", whole, end, pieces, endOfPieces)
		}
	})
}

// FuzzProxyHeader checks that a header is found at the same place however much
// of what follows has arrived, and that nothing is waited for in vain.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 4711 1883\r\nmore"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add(append(proxy2(f, proxyproto.PROXY, "[2001:db8::1]:4711", clientName(f, "lamp", 0)), "more"...))
	f.Add(proxy2(f, proxyproto.LOCAL, ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := parseProxy(data)
		switch {
		case h == nil && err == nil:
			if len(data) >= maxProxy2 {
				t.Fatalf("%d bytes and still waiting", len(data))
			}
			return
		case h == nil:
			return
		}
		if h.size > len(data) {
			t.Fatalf("a header of %d bytes in %d", h.size, len(data))
		}
		var who known
		h.tell(&who)
		if alone, err := parseProxy(data[:h.size]); err != nil || alone == nil {
			t.Fatalf("the header without what follows: %v", err)
		}
		if early, err := parseProxy(data[:h.size-1]); early != nil || err != nil {
			t.Fatalf("the header without its last byte: %v, %v", early, err)
		}
	})
}
