package api

import "context"

// Cluster is what the nodes are that make up one broker with this one, and how
// that changes. Its errors begin with EMQ X's word for the reason and a colon, if
// it has one.
type Cluster interface {
	Status() ClusterStatus
	// Copied is nil when what is kept is on as many nodes as it should be, else
	// it says what isn't.
	Copied(ctx context.Context) error
	// Join makes this node a member of the cluster of another, name@host, giving up
	// what it has kept.
	Join(ctx context.Context, node string) error
	// Leave lets this node go on alone, without what the cluster keeps.
	Leave(ctx context.Context) error
	// ForceLeave removes a member that is down and will not come back.
	ForceLeave(ctx context.Context, node string) error
}

// ClusterStatus is how the cluster looks from this node.
type ClusterStatus struct {
	Name    string
	Running []string // this node too
	Stopped []string // or not to be reached
	Quorum  bool     // so many run that what has to be kept is kept
}

// clusterRoutes are about who is in the cluster. EMQ X 4 has that on its command
// line only.
func (s *Server) clusterRoutes() []Route {
	if s.o.Cluster == nil {
		return nil
	}
	node := Param{Name: "node", Type: Text, Required: true, Doc: "name@host of a member, or of a node that is alone"}
	return []Route{
		{Method: "GET", Path: "/cluster", Versions: V4, Name: "get_cluster", Summary: "The members of the cluster, as this node sees them",
			Returns: "{name, node, running_nodes: [string], stopped_nodes: [string], quorum: bool, copied: bool}", handle: s.cluster},
		{Method: "PUT", Path: "/cluster/join", Versions: V4, Name: "join_cluster", Params: []Param{node}, Strict: true, Fails: []int{codeUnknown},
			Summary: "Make this node a member of the cluster of another; what this one has kept is given up", handle: func(q *request) (any, error) { return nil, s.o.Cluster.Join(q.ctx, q.params.text("node")) }},
		{Method: "PUT", Path: "/cluster/leave", Versions: V4, Name: "leave_cluster", Strict: true, Fails: []int{codeUnknown},
			Summary: "Let this node go on alone, without what the cluster keeps", handle: func(q *request) (any, error) { return nil, s.o.Cluster.Leave(q.ctx) }},
		{Method: "DELETE", Path: "/cluster/:node", Versions: V4, Name: "force_leave_cluster", Fails: []int{codeUnknown}, exact: true,
			Summary: "Remove a member that is down and will not come back", handle: func(q *request) (any, error) { return nil, s.o.Cluster.ForceLeave(q.ctx, q.path["node"]) }},
	}
}

func (s *Server) cluster(q *request) (any, error) {
	st := s.o.Cluster.Status()
	return object{
		"name": st.Name, "node": s.o.Node, "quorum": st.Quorum, "copied": s.o.Cluster.Copied(q.ctx) == nil,
		"running_nodes": append([]string{}, st.Running...), "stopped_nodes": append([]string{}, st.Stopped...),
	}, nil
}
