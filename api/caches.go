package api

import "github.com/dunlin-mq/dunlin/auth"

// cacheRoutes show and empty the ACL caches of connections.
func (s *Server) cacheRoutes() (all []Route) {
	if s.o.Caches != nil {
		all = append(all, Route{
			Method: "GET", spread: anywhere, Path: "/clients/:clientid/acl_cache", Versions: V4, Name: "list_acl_cache", Summary: "List what a client's ACL cache holds",
			Returns: "[{access: 'publish'|'subscribe', topic, result: 'allow'|'deny', updated_time: int}]", Fails: []int{codeOffline}, handle: s.listCache,
		}, Route{
			Method: "DELETE", spread: anywhere, Path: "/clients/:clientid/acl_cache", Versions: V4, Name: "clean_acl_cache", Summary: "Empty a client's ACL cache",
			Fails: []int{codeOffline}, handle: s.cleanCache,
		})
	}
	if s.o.Drainer != nil {
		drain := func(*request) (any, error) {
			s.o.Drainer.DrainCaches()
			return nil, nil
		}
		all = append(all, Route{
			Method: "DELETE", Path: "/acl-cache", Versions: V4, Name: "clean_acl_cache_all", Summary: "Empty all ACL caches",
			spread: everywhere, handle: drain,
		}, Route{
			Method: "DELETE", Path: "/nodes/:node/acl-cache", Versions: V4, Name: "clean_acl_cache_node", Summary: "Empty all ACL caches of a node",
			spread: toNode(codeRPC), handle: s.onNode(codeRPC, drain),
		})
	}
	return all
}

func (s *Server) listCache(q *request) (any, error) {
	cache := s.o.Caches.ACLCache(q.path["clientid"])
	if cache == nil {
		return nil, fail(codeOffline, "not_found")
	}
	rows := []object{}
	for _, e := range cache.Entries() {
		row := object{"access": "publish", "topic": e.Topic, "result": "deny", "updated_time": e.At.UnixMilli()}
		if e.Action == auth.Subscribe {
			row["access"] = "subscribe"
		}
		if e.Allow {
			row["result"] = "allow"
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (s *Server) cleanCache(q *request) (any, error) {
	cache := s.o.Caches.ACLCache(q.path["clientid"])
	if cache == nil {
		return nil, fail(codeOffline, "not_found")
	}
	cache.Drain()
	return nil, nil
}
