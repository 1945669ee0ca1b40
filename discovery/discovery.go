// Package discovery answers who the peers of this node are: the nodes that
// should form one cluster with it, by EMQ X's strategies and their keys
// cluster.*. A folder below holds each strategy that asks somebody: dns, mcast,
// etcd and k8s.
//
// It finds names, and a Loop has a node join the right one of them. What a
// cluster is, how nodes talk to each other, and whether a node that was found
// is alive are questions for the functions a Loop is given. Nothing found is
// trusted: whoever joins proves itself to the cluster, not here.
package discovery

import (
	"context"
	"log/slog"
)

// Discoverer finds the nodes that should form a cluster with this one. Its
// methods are called one at a time. One that holds connections or sockets is
// an io.Closer; who made it closes it.
type Discoverer interface {
	// Discover returns the names of the nodes that exist now, this one too if
	// it is registered, in any order. The slice is the caller's. It blocks
	// until ctx ends at worst, mcast for three seconds in any case.
	//
	// Nobody found is an error where somebody has to be: of a record that
	// doesn't exist nobody can tell whether it is misspelt or not there yet.
	Discover(ctx context.Context) ([]string, error)
}

// Registrar is a Discoverer that others find this node by, and not only a list
// that somebody else keeps.
type Registrar interface {
	// Register makes this node known until Unregister, or for a while after
	// its death. Calling it again repairs what somebody has deleted.
	Register(ctx context.Context) error
	// Unregister takes the node back. It is harmless if there is nothing to
	// take back.
	Unregister(ctx context.Context) error
}

// Locker is a Discoverer that lets one node at a time look for a cluster and
// join it, so that of many that start at once only one begins alone.
type Locker interface {
	// Lock blocks until this node has the lock or ctx ends. The lock is lost
	// some time after the death of the node.
	Lock(ctx context.Context) (unlock func(ctx context.Context) error, err error)
}

// Self is what a strategy has to know of this node.
type Self struct {
	Name    string // node.name, see CheckName
	Cluster string // cluster.name
	Cookie  string // node.cookie; it is never sent
	Log     *slog.Logger
}
