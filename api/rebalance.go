package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dunlin-mq/dunlin/server"
)

// What EMQ X assumes of how even nodes have to be: those with many clients may
// have so many more than the others on average, or so many times as many.
const (
	absThreshold = 1000
	relThreshold = 1.1
)

// rebalanceRoutes even out how many clients the nodes of a cluster have. Nobody
// watches over it: each node that has too many is told how many to keep, and
// ends by itself.
func (s *Server) rebalanceRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "/load_rebalance/:node/start", Versions: V4, Name: "load_rebalance_start", Strict: true,
			Summary: "Have the nodes with more clients than the average send some to the others", Returns: "{donors: [string], recipients: [string], connection_goal: int}",
			Fails: []int{codeUnknown}, spread: rebalance, handle: s.onNode(codeUnknown, func(*request) (any, error) { return nil, errBalanced }),
			Params: append(paceParams(),
				Param{Name: "nodes", Type: Any, Doc: "the names of those that take part: an array, or a text with blanks or commas between; all that run"},
				Param{Name: "abs_conn_threshold", Type: Whole, Doc: "how many clients more than the others nodes may have on average; 1000"},
				Param{Name: "rel_conn_threshold", Type: Any, Doc: "how many times as many; 1.1"},
			)},
		{Method: "POST", Path: "/load_rebalance/:node/stop", Versions: V4, Name: "load_rebalance_stop",
			Summary: "Have all nodes keep the clients that they have now", Fails: []int{codeUnknown}, spread: endRebalance,
			handle: s.onNode(codeUnknown, func(*request) (any, error) {
				if s.o.Evacuation.Evacuation().Goal == 0 {
					return nil, nil
				}
				return nil, s.o.Evacuation.EndEvacuation()
			})},
	}
}

// errBalanced has EMQ X's words.
var errBalanced = fail(codeUnknown, "nothing_to_balance")

// load is how many clients a node has.
type load struct {
	Member
	clients int
}

// rebalance tells the nodes with too many clients how many to keep.
func rebalance(s *Server, q *request, all []Member) (any, error) {
	if _, ok := named(all, q.path["node"]); !ok {
		return nil, fail(codeUnknown, "there is no node "+q.path["node"])
	}
	absolute := int(min(q.params.whole("abs_conn_threshold", absThreshold), math.MaxInt32))
	relative, err := decimal(q.params["rel_conn_threshold"], relThreshold)
	if err != nil || relative < 1 || absolute < 1 {
		return nil, fail(codeValue, "expected an abs_conn_threshold of at least 1, and a rel_conn_threshold of at least 1")
	}
	loads, err := s.loads(q, all)
	if err != nil {
		return nil, err
	}
	donors, recipients, goal := balance(loads, absolute, relative)
	if len(donors) == 0 {
		return nil, errBalanced
	}
	orders := params{"conn_goal": json.Number(strconv.Itoa(goal))}
	for _, p := range paceParams() {
		if v, ok := q.sent[p.Name]; ok {
			orders[p.Name] = v
		}
	}
	for _, m := range donors {
		r, err := s.order(q, m, "POST", orders, "load_rebalance", m.Name, "evacuation", "start")
		if err == nil && r.failed() {
			err = errors.New(r.why())
		}
		if err != nil {
			return nil, fail(codeUnknown, fmt.Sprintf("%s: %v", m.Name, err))
		}
	}
	return object{"donors": names(donors), "recipients": names(recipients), "connection_goal": goal}, nil
}

// loads asks those nodes that take part how many clients they have.
func (s *Server) loads(q *request, all []Member) (loads []load, err error) {
	wanted, err := nodeNames(q.params["nodes"])
	if err != nil {
		return nil, err
	}
	for _, name := range wanted {
		if m, ok := named(all, name); !ok || !m.Alive {
			return nil, fail(codeUnknown, "there is no node "+name+" that runs")
		}
	}
	for _, m := range all {
		if !m.Alive || len(wanted) > 0 && !slices.Contains(wanted, m.Name) {
			continue
		}
		r, err := s.order(q, m, "GET", nil, "nodes", m.Name)
		if err != nil {
			return nil, fail(codeUnknown, err.Error())
		}
		var row struct {
			Clients int `json:"live_connections"`
		}
		if err := json.Unmarshal(r.body.Data, &row); err != nil {
			return nil, fail(codeUnknown, m.Name+": "+r.why())
		}
		loads = append(loads, load{m, row.Clients})
	}
	return loads, nil
}

// balance says which nodes have more clients than the average, and to how many
// they have to come so that on average they have no more than an absolute or a
// relative number above the others. No donors: they don't.
func balance(all []load, absolute int, relative float64) (donors, recipients []Member, goal int) {
	sum := 0
	for _, l := range all {
		sum += l.clients
	}
	high := 0
	for _, l := range all {
		if l.clients*len(all) > sum {
			donors = append(donors, l.Member)
			high += l.clients
		} else {
			recipients = append(recipients, l.Member)
		}
	}
	n, many, few := float64(len(all)), float64(len(donors)), float64(len(recipients))
	if many == 0 || few == 0 {
		return nil, nil, 0
	}
	// If donors come to x, the others have (sum - many·x) / few.
	total := float64(sum)
	least := math.Ceil(max((total+few*float64(absolute))/n, relative*total/(few+relative*many)))
	if float64(high)/many <= least {
		return nil, nil, 0
	}
	return donors, recipients, int(least)
}

// endRebalance ends it on all nodes.
func endRebalance(s *Server, q *request, all []Member) (any, error) {
	if _, ok := named(all, q.path["node"]); !ok {
		return nil, fail(codeUnknown, "there is no node "+q.path["node"])
	}
	for _, m := range all {
		if !m.Alive {
			continue
		}
		r, err := s.order(q, m, "POST", nil, "load_rebalance", m.Name, "stop")
		if err == nil && r.failed() {
			err = errors.New(r.why())
		}
		if err != nil {
			return nil, fail(codeUnknown, fmt.Sprintf("%s: %v", m.Name, err))
		}
	}
	return nil, nil
}

// order has a member answer another request than the one that came, this node
// too.
func (s *Server) order(q *request, m Member, method string, sent params, path ...string) (*reply, error) {
	r := *q
	route, values := s.tree.find(V4, method, path)
	if sent == nil {
		sent = make(params)
	}
	r.version, r.route, r.path, r.parts, r.params, r.sent, r.items, r.alone = V4, route, route.named(values), path, sent, sent, nil, true
	if m.Self {
		return readReply(m, s.saying(&r))
	}
	return s.ask(&r, m, nil)
}

func names(all []Member) []string {
	list := []string{}
	for _, m := range all {
		list = append(list, m.Name)
	}
	return list
}

// nodeNames reads an array of names, or a text with several.
func nodeNames(v any) (list []string, err error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return listed(v), nil
	case []any:
		for _, one := range v {
			name, is := one.(string)
			if !is {
				return nil, fail(codeValue, "expected the names of nodes")
			}
			list = append(list, name)
		}
		return list, nil
	}
	return nil, fail(codeValue, "expected the names of nodes")
}

// decimal reads a number as JSON or a query has it.
func decimal(v any, otherwise float64) (float64, error) {
	switch v := v.(type) {
	case nil:
		return otherwise, nil
	case json.Number:
		return v.Float64()
	case string:
		return strconv.ParseFloat(v, 64)
	}
	return 0, errors.New("no number")
}

// listed are the words of a text, with blanks or commas between.
func listed(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
}

// kindOf is what EMQ X calls it.
func kindOf(e *server.EvacuationStatus) string {
	if e.Goal > 0 {
		return "rebalance"
	}
	return "evacuation"
}
