package server

// link is the transport below a connection: a netloop.Conn, or a stream over
// a net.Conn. All methods are safe for concurrent use and none of them blocks.
type link interface {
	outlet
	inlet
	// Shutdown ends the link after what was written has gone out, Close at
	// once; the connection's Closed follows, with err.
	Shutdown(err error)
	Close(err error)
}

// outlet is where a connection's output goes. The connection sees to it that
// one goroutine at a time writes.
type outlet interface {
	// Write takes as many bytes as there is room for now.
	Write(p []byte) (int, error)
	Writev(bufs [][]byte) (int, error)
	// WantWrite has the connection's Writable called when there is room again.
	WantWrite()
}

// inlet is where its input comes from.
type inlet interface {
	// PauseRead leaves what arrives with the peer, by TCP's flow control.
	PauseRead()
	ResumeRead()
	// Wake has the connection's Woken called on its own goroutine.
	Wake()
}
