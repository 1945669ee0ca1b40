package netloop

import "time"

// Handler is what a connection's owner implements. The loop that owns the
// connection calls it, one call at a time; no call may block.
type Handler interface {
	// Readable brings bytes that have arrived. They stand in the loop's shared
	// buffer and are valid during the call only.
	Readable(p Pass, data []byte)
	// Writable says that the socket takes bytes again after WantWrite.
	Writable(p Pass)
	// Woken answers Wake. Several calls of Wake may bring one of Woken.
	Woken(p Pass)
	// Closed is the last call, made exactly once: io.EOF when the peer ended its
	// stream, a system error when the connection broke, or what Close was given.
	// The socket is closed after the pass; Write fails from now on.
	Closed(p Pass, err error)
}

// Pass is what a loop gives its handlers; each loop has one of its own, made by
// Config.NewPass. The owner collects in it the connections a pass has touched.
type Pass interface {
	// End is called once at the end of each pass, on the loop: flush what was touched.
	End()
}

// Timed is an optional power of a Pass: a deadline, so that a timing wheel can
// live beside the connections of its loop.
type Timed interface {
	// Next returns how long the loop may wait before it makes the next pass even
	// though nothing has happened; negative: for ever. It is called after End.
	Next() time.Duration
}
