package engine

import (
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

// A stand-in is a second server in this process that takes the place of a
// member that is missing. It is made in two cases:
//
// Without files, as the helper of a member that is alone: the server waits
// with everything until it has a connection to another one.
//
// With empty files and the name of a member that will not come back, when so
// many are missing that nothing can be decided: it votes for the node that has
// the data, which can then remove the missing member. To grow from one node to
// many it is the second one of the pair that a cluster begins with.
type standIn struct {
	server *server.Server
	dir    string
}

// standIn starts one for a member. It listens on a port of the loopback
// interface for as long as it lives.
func (e *Engine) standIn(id string) (*standIn, error) {
	dir, err := os.MkdirTemp(e.o.Dir, "stand-in-")
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	s := &standIn{dir: dir}
	o := e.options(dir)
	e.aside(o, id)
	o.Routes = append(o.Routes, e.cluster.route(e.cluster.o.Address))
	if s.server, err = e.serve(o); err != nil {
		return nil, err
	}
	return s, nil
}

// aside has a server be a member beside this one. Members tell each other where
// others are: they are not told of a port that none of them can reach, and that
// is somebody else's when the server has ended.
func (e *Engine) aside(o *server.Options, id string) {
	e.asMember(o, id, "127.0.0.1", server.RANDOM_PORT)
	o.Cluster.Advertise = e.cluster.o.Address
}

func (s *standIn) close() error {
	s.server.Shutdown()
	s.server.WaitForShutdown()
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}

// help starts or stops the helper: a member that knows no other has one.
func (e *Engine) help(alone bool) error {
	c := e.cluster
	c.helping.Lock()
	defer c.helping.Unlock()
	switch {
	case alone && c.helper == nil:
		o := e.options("")
		e.aside(o, "helper-"+c.id())
		o.JetStream = false
		o.Routes = append(o.Routes, c.route(c.o.Address))
		s, err := e.serve(o)
		if err != nil {
			return err
		}
		c.helper = s
	case !alone && c.helper != nil:
		c.helper.Shutdown()
		c.helper.WaitForShutdown()
		c.helper = nil
	}
	return nil
}

// peerID is how the server calls a member in its votes.
func peerID(id string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(id))
	b := sum[:8]
	for i := range b {
		b[i] = digits[int(b[i])%len(digits)]
	}
	return string(b)
}
