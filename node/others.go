package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/dunlin-mq/dunlin/engine"
)

// fetchKind is the kind of the messages in which a node that is emptied has others
// take sessions over.
const fetchKind = "fetch"

// fetchWait is how long a node may take to say that it does.
const fetchWait = 5 * time.Second

// others are the other nodes for package server.
type others struct{ *Node }

// Running is server.Others'.
func (o others) Running() (names []string) {
	self := o.kept.engine.Self().ID
	for _, m := range o.kept.engine.Members() {
		if m.ID != self && m.Alive {
			names = append(names, m.Node)
		}
	}
	return names
}

// Fetch is server.Others'.
func (o others) Fetch(node string, clients []string) error {
	list, err := json.Marshal(clients)
	if err != nil {
		return err
	}
	all := o.kept.engine.Members()
	i := slices.IndexFunc(all, func(m engine.Member) bool { return m.Node == node && m.Alive })
	if i < 0 {
		return fmt.Errorf("node %s doesn't run", node)
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchWait)
	defer cancel()
	answer, err := o.kept.engine.Request(ctx, all[i].ID, fetchKind, list)
	if err == nil && len(answer) > 0 {
		err = fmt.Errorf("%s", answer)
	}
	return err
}

// fetched answers another node's Fetch, with why it isn't done.
func (j *joint) fetched(list []byte) []byte {
	var clients []string
	if err := json.Unmarshal(list, &clients); err != nil {
		return []byte(err.Error())
	}
	n := j.node.Load()
	if n == nil {
		return []byte("the node doesn't know of others")
	}
	n.Fetch(clients)
	return nil
}
