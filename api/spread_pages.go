package api

import (
	"fmt"
	"sync"
)

// rowsAsked is how many rows of a list one node asks another for at once: some
// megabytes, so that nothing else between the nodes waits behind them for long.
const rowsAsked = 2000

// share is what one node has of a list.
type share struct {
	Member
	meta meta
	rows rows
	err  error
}

// pages answers with one page of a list that is the lists of the given nodes,
// one behind the other. It first asks how long they are, and then only those
// whose rows are on the page.
func pages(s *Server, q *request, nodes []Member) (any, error) {
	from, limit, m, err := q.page(q.longest)
	if err != nil {
		return nil, err
	}
	all := make([]share, len(nodes))
	for i := range all {
		all[i].Member = nodes[i]
	}
	atOnce(all, func(n *share) { s.look(q, n, slice{0, 1}) })
	if err := s.leaveOut(q, all); err != nil {
		return nil, err
	}
	m = sharesMeta(m, all)
	wanted := make(map[string]slice)
	for i, begins := 0, 0; i < len(all); i++ {
		n := &all[i]
		first, end := max(from, begins), min(from+limit, begins+n.meta.total())
		if n.rows = (rows{}); first < end {
			wanted[n.ID] = slice{first - begins, end - first}
		}
		begins += n.meta.total()
	}
	atOnce(all, func(n *share) {
		if part, is := wanted[n.ID]; is {
			s.look(q, n, part)
		}
	})
	if err := s.leaveOut(q, all); err != nil {
		return nil, err
	}
	var lists []rows
	for i := range all {
		lists = append(lists, all[i].rows)
	}
	return page{joined(lists), m}, nil
}

// atOnce does something for all nodes at the same time.
func atOnce(all []share, do func(*share)) {
	var doing sync.WaitGroup
	for i := range all {
		doing.Go(func() { do(&all[i]) })
	}
	doing.Wait()
}

// look gets a part of what a node has. Another is asked for it in pieces.
func (s *Server) look(q *request, n *share, part slice) {
	if n.Self {
		own := *q
		own.slice = &part
		data, err := own.own()
		if err == nil {
			data, err = inRows(data)
		}
		list, m, is := asRows(data)
		if n.err = err; err == nil && is && m != nil {
			n.rows, n.meta = list, *m
		}
		return
	}
	var pieces []rows
	for end := part.From + part.Limit; part.From < end && n.err == nil; part.From += rowsAsked {
		part.Limit = min(end-part.From, rowsAsked)
		r, err := s.ask(q, n.Member, &part)
		if err == nil && (!r.Rows || r.Meta == nil) {
			err = fmt.Errorf("node %s: %s", n.Name, r.why())
		}
		if n.err = err; err == nil {
			n.meta = *r.Meta
			n.meta.chosen = r.Total
			pieces = append(pieces, rowsIn(r.text))
		}
	}
	n.rows = joined(pieces)
}

// leaveOut takes out what could not be had. This node's own error is that of
// the request; so is that of the only node that was asked.
func (s *Server) leaveOut(q *request, all []share) error {
	for i := range all {
		n := &all[i]
		switch {
		case n.err == nil:
			continue
		case n.Self:
			return n.err
		case len(all) == 1:
			return fail(codeRPC, n.err.Error())
		}
		s.unanswered(q, n.Member, n.err)
		q.missing = append(q.missing, n.Name)
		*n = share{Member: n.Member}
	}
	return nil
}

// sharesMeta is what to say about the whole list.
func sharesMeta(m meta, all []share) meta {
	counted, tellsNext := true, false
	for i := range all {
		of := &all[i].meta
		m.Count += of.total()
		counted = counted && of.Count >= 0
		tellsNext = tellsNext || of.HasNext != nil
	}
	if tellsNext {
		m.more()
	}
	if !counted {
		m.filtered()
	}
	return m
}
