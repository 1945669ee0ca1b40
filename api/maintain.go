package api

import "github.com/dunlin-mq/dunlin/keep"

// Store is where the node keeps its records.
type Store interface {
	Path() string
	// Usage is what its maps hold, by name, and the size of the file in bytes.
	Usage() (maps []keep.Usage, size int64, err error)
}

// maintainRoutes are about files. EMQ X has them on its command line only: as
// pem_cache and mnesia.
func (s *Server) maintainRoutes() (all []Route) {
	if s.o.Reread != nil {
		all = s.withNode(Route{Method: "DELETE", Path: "/pem_cache", Versions: V4, Name: "clean_pem_cache",
			Summary: "Read the certificates, keys and revocation lists of all listeners again; open connections keep theirs", Fails: []int{codeUnknown},
			spread: everywhere, handle: func(*request) (any, error) { return nil, s.o.Reread() }})
	}
	if s.o.Store != nil {
		all = append(all, s.withNode(Route{Method: "GET", Path: "/store", Versions: V4, Name: "get_store", Summary: "What the file of the data directory holds",
			Returns: "{file, size: int, maps: [{name, records: int, bytes: int}]}", Fails: []int{codeUnknown}, handle: s.usage})...)
	}
	return all
}

func (s *Server) usage(*request) (any, error) {
	maps, size, err := s.o.Store.Usage()
	if err != nil {
		return nil, err
	}
	rows := []object{}
	for _, m := range maps {
		rows = append(rows, object{"name": m.Name, "records": m.Records, "bytes": m.Bytes})
	}
	return object{"file": s.o.Store.Path(), "size": size, "maps": rows}, nil
}
