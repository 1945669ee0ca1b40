package api

import (
	"context"
	"errors"
)

// fakeCluster has a member that is down, and one that can't be joined.
type fakeCluster struct{}

func (fakeCluster) Status() ClusterStatus {
	return ClusterStatus{Name: "emqxcl", Running: []string{"dunlin@host", "dunlin@b"}, Stopped: []string{"dunlin@c"}, Quorum: true}
}

func (fakeCluster) Copied(context.Context) error { return errors.New("2 of 3 copies are complete") }

func (fakeCluster) Join(_ context.Context, node string) error {
	if node == "dunlin@nobody" {
		return errors.New("node_down: nobody answers there")
	}
	return nil
}

func (fakeCluster) Leave(context.Context) error { return nil }

func (fakeCluster) ForceLeave(_ context.Context, node string) error {
	if node != "dunlin@c" {
		return errors.New("node_not_in_cluster: no member is called " + node)
	}
	return nil
}
