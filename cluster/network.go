package cluster

// Network carries bytes between nodes. It is at most once: what is sent to a
// node that has gone, or over a connection that breaks, is lost without a word.
// Between two nodes what is sent with one kind arrives in the order it was sent.
type Network interface {
	// Send never blocks for long and never calls back. data is the caller's
	// again when it returns; it has less than a megabyte. The error says that the
	// data can't have arrived.
	Send(node, kind string, data []byte) error
}

// The kinds that machines send with. Each has an order of its own.
const (
	KindRoutes    = "routes"    // to Routes
	KindForward   = "forward"   // to Inbox, by Forwarder
	KindConfirm   = "confirm"   // back to Forwarder, by Inbox
	KindClaims    = "claims"    // to Claims
	KindExclusive = "exclusive" // to Exclusives
)
