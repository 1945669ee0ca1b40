package engine

import (
	"fmt"
	"unsafe" // for go:linkname

	"github.com/nats-io/nats-server/v2/server"
)

// What the cluster has decided, such as who has copies of a stream, is in a log
// with snapshots. A server that starts goes by its snapshot first, and by the
// log behind it then: if it got its copy of a stream after the snapshot, it
// deletes the copy and begins an empty one (2.12.15). That one is filled by
// those that kept theirs. But when a whole cluster is killed and only nodes come
// back that did so, the records are gone. The server takes a snapshot once a
// minute; decisions has it taken as soon as nothing more is being decided.
type decisions struct {
	server *server.Server
	seen   uint64 // the last decision at the look before
	kept   uint64 // the one up to which there is a snapshot
}

//go:linkname serverJetStream github.com/nats-io/nats-server/v2/server.(*Server).getJetStream
func serverJetStream(s *server.Server) unsafe.Pointer

// What follows takes a snapshot with the server's own way of doing so beside
// everything else: it looks at files only. The streams are a map of the server.

//go:linkname decodeDecisions github.com/nats-io/nats-server/v2/server.(*jetStream).decodeMetaSnapshot
func decodeDecisions(js unsafe.Pointer, snapshot []byte) (streams unsafe.Pointer, err error)

//go:linkname collectDecisions github.com/nats-io/nats-server/v2/server.(*jetStream).collectStreamAndConsumerChanges
func collectDecisions(js unsafe.Pointer, c server.RaftNodeCheckpoint, streams unsafe.Pointer) error

//go:linkname encodeDecisions github.com/nats-io/nats-server/v2/server.(*jetStream).encodeMetaSnapshot
func encodeDecisions(js, streams unsafe.Pointer) (snapshot []byte, streamCount, consumerCount int, err error)

// look takes a snapshot if something has been decided since the last one, and
// nothing since the last look. It waits for the disk.
func (d *decisions) look() error {
	g := serverGroup(d.server, metaGroup)
	if g == nil {
		return nil // the node is alone
	}
	_, _, applied := g.Progress()
	quiet := applied == d.seen
	d.seen = applied
	if !quiet || applied == d.kept || !g.Healthy() {
		return nil
	}
	if entries, _ := g.Size(); entries > 0 {
		if err := snapshot(serverJetStream(d.server), g); err != nil {
			return fmt.Errorf("engine: a snapshot of what the cluster has decided: %w", err)
		}
	}
	d.kept = applied
	return nil
}

// snapshot replaces the log of a group by a snapshot, as far as it was applied.
func snapshot(js unsafe.Pointer, g server.RaftNode) error {
	c, err := g.CreateSnapshotCheckpoint(false)
	if err != nil {
		return err
	}
	last, err := c.LoadLastSnapshot()
	if err != nil && err.Error() != noSnapshot {
		c.Abort()
		return err
	}
	streams, err := decodeDecisions(js, last)
	if err == nil {
		err = collectDecisions(js, c, streams)
	}
	var now []byte
	if err == nil {
		now, _, _, err = encodeDecisions(js, streams)
	}
	if err != nil {
		c.Abort()
		return err
	}
	_, err = c.InstallSnapshot(now)
	return err
}

// noSnapshot is what the server says where there is none yet.
const noSnapshot = "raft: no snapshot available"
