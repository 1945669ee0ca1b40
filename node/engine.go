package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/retain"
	"github.com/dunlin-mq/dunlin/store"
)

// kept is what a node keeps: the engine, and the maps in it that all nodes of a
// cluster share.
type kept struct {
	engine *engine.Engine
	dir    string // of its files
	id     string // of this node, whatever its name is

	bans, accounts, rules, scram, apps, users *engine.Map
	userSessions                              *engine.Map // logins to the dashboard
	retained, delayed                         *engine.Map

	alarms, traces ownRecords
}

// openKept opens what is kept in the data directory. What an earlier version
// kept there goes into it, once. ctx ends the wait for other nodes.
func (c *Config) openKept(ctx context.Context, log *slog.Logger, m *metrics.Registry) (k *kept, err error) {
	k = &kept{dir: filepath.Join(c.Node.DataDir, "engine")}
	if k.id, err = nodeID(c.Node.DataDir); err != nil {
		return nil, err
	}
	o := engine.Options{Dir: k.dir, Node: c.Node.Name, Durability: c.Storage.Durability, Log: log, Metrics: m}
	if o.Cluster, err = c.engineCluster(); err != nil {
		return nil, err
	}
	k.engine, err = engine.StartContext(ctx, o)
	if err != nil {
		return nil, err
	}
	if err = k.open(); err == nil {
		err = k.takeOver(filepath.Join(c.Node.DataDir, "dunlin.db"), log)
	}
	if err != nil {
		return nil, errors.Join(err, k.engine.Close())
	}
	return k, nil
}

// open opens the maps. Their names are those that an earlier version had.
func (k *kept) open() error {
	var alarms, traces *engine.Map
	small := map[string]**engine.Map{"apps": &k.apps, "dashboard_users": &k.users, "dashboard_sessions": &k.userSessions, "scram": &k.scram, "alarms": &alarms, "traces": &traces}
	for name, m := range small {
		var err error
		if *m, err = k.engine.Map(name); err != nil {
			return err
		}
	}
	big := map[string]**engine.Map{"banned": &k.bans, "accounts": &k.accounts, "rules": &k.rules, "retained": &k.retained, "delayed": &k.delayed}
	for name, m := range big {
		var err error
		if *m, err = k.engine.BigMap(name); err != nil {
			return err
		}
	}
	k.alarms, k.traces = ownRecords{alarms, k.id + "/"}, ownRecords{traces, k.id + "/"}
	return nil
}

// nodeID reads the identifier of the node, and makes it at the first start. A
// name may change with the address; what is kept for one node only must not be
// lost with it.
func nodeID(dataDir string) (string, error) {
	path := filepath.Join(dataDir, "node_id")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		id := strings.ToLower(rand.Text())
		return id, writeID(path, id)
	}
	id := strings.TrimSpace(string(text))
	if err == nil && (id == "" || strings.ContainsAny(id, "/ \n")) {
		err = fmt.Errorf("%s: expected the identifier of a node, found %.40q", path, id)
	}
	return id, err
}

// writeID writes a file that is there as a whole or not at all.
func writeID(path, id string) error {
	err := os.MkdirAll(filepath.Dir(path), 0o750)
	if err == nil {
		err = os.WriteFile(path+".new", []byte(id+"\n"), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("the identifier of the node can't be written: %w", err)
	}
	return nil
}

// takeOver takes over the file in which an earlier version kept its records, if
// there is one, and puts it aside. Killed on the way it begins anew.
func (k *kept) takeOver(path string, log *slog.Logger) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	old := map[string]*engine.Map{
		"banned": k.bans, "accounts": k.accounts, "rules": k.rules, "scram": k.scram, "apps": k.apps, "dashboard_users": k.users,
		"alarms": k.alarms.all, "traces": k.traces.all,
	}
	count := 0
	err := store.Read(path, func(name string, records map[string][]byte) error {
		m := old[name]
		if m == nil {
			return nil // nobody has known it since
		}
		count += len(records)
		return m.PutAll(func(yield func(string, []byte) bool) {
			for key, value := range records {
				if name == "alarms" || name == "traces" {
					key = k.id + "/" + key
				}
				if !yield(key, value) {
					return
				}
			}
		})
	})
	if err == nil {
		err = os.Rename(path, path+".imported")
	}
	if err == nil {
		log.Info("what an earlier version kept was taken over", "file", path, "records", count, "now", path+".imported")
	}
	return err
}

// openRetained makes the store of retained messages, with those that are kept. In
// a cluster all nodes have the same, which the engine sees to, so there they are
// kept whatever the configuration says.
func (n *Node) openRetained() (*retain.Store, error) {
	s := retain.New(n.Config.Retainer)
	if !n.Config.Retainer.Keeps() && !n.Config.clustered() {
		return s, nil
	}
	return s, s.Keep(n.kept.retained, n.Metrics, n.log)
}

// openDelayed brings in the delayed messages that are kept and that are this
// node's to publish: all, if it is alone. Those of members that are gone follow,
// see clustering.adopt.
func (n *Node) openDelayed() error {
	alone, own := len(n.kept.engine.Members()) == 1, n.Config.Node.Name
	return n.Broker.KeepDelayed(n.kept.delayed, own, func(owner string) bool { return alone || owner == own })
}

// flushPatience is how long the end of the node waits for what is to be kept.
const flushPatience = 10 * time.Second

// flushRetained is for when nobody publishes any more.
func (n *Node) flushRetained() {
	if left := n.Broker.Retained.Flush(flushPatience); left > 0 {
		n.log.Error("retained messages are not kept, as the engine takes too long", "topics", left)
	}
}

// ownRecords are the records of one node in a map that all nodes have.
type ownRecords struct {
	all    *engine.Map
	prefix string
}

// Each calls f for each of them.
func (o ownRecords) Each(f func(key string, value []byte) error) error {
	return o.all.Each(func(key string, value []byte) error {
		if own, is := strings.CutPrefix(key, o.prefix); is {
			return f(own, value)
		}
		return nil
	})
}

// Put puts one, and waits until it is kept.
func (o ownRecords) Put(key string, value []byte) error { return o.all.Put(o.prefix+key, value) }

// Delete deletes one, and waits as Put does.
func (o ownRecords) Delete(key string) error { return o.all.Delete(o.prefix + key) }

// PutLater is Put, but doesn't wait.
func (o ownRecords) PutLater(key string, value []byte, done func(error)) {
	o.all.PutLater(o.prefix+key, value, done)
}

// DeleteLater is Delete, but doesn't wait.
func (o ownRecords) DeleteLater(key string, done func(error)) { o.all.DeleteLater(o.prefix+key, done) }
