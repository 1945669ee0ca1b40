package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Cluster says how this node is reached by others. A node that has it can join
// a cluster, or be joined; until then it keeps its data alone. Whether it is a
// member, and of which nodes, is kept in the folder of the engine.
type Cluster struct {
	Name    string     // of the cluster; only nodes of the same name meet
	Address string     // host:port of this node, as the others reach it
	Door    string     // host:port where others ask to join
	Cookie  string     // what all nodes of the cluster know and nobody else
	TLS     ClusterTLS // empty: certificates are made from the cookie

	// Where the node listens; empty: at the hosts of Address and Door.
	AddressHost, DoorHost string
}

// Member is a node of the cluster.
type Member struct {
	ID      string    `json:"id"`                // made when the node joined, kept when name and addresses change
	Node    string    `json:"node"`              // its name
	Address string    `json:"address"`           // host:port
	Door    string    `json:"door"`              // host:port
	Since   time.Time `json:"since"`             // when its engine was started; the oldest is asked to be joined
	Joining bool      `json:"joining,omitempty"` // it may become a member, and has not been one yet
	Alive   bool      `json:"-"`                 // it was heard of in the last seconds
	Left    bool      `json:"-"`                 // it is no member anymore
}

// standing is what a node knows of its membership when it is not running.
type standing struct {
	ID      string
	Member  bool     // the files are those of a cluster
	Growing bool     // they are on their way to become so
	Members []Member // this one too
}

const (
	standingFile = "cluster.json"
	clusterDir   = "cluster" // folder of the files of a cluster; those of a node alone are beside it
	storeDir     = "jetstream"
	accountDir   = "$G"
)

// clustered is what an engine has that may be a member of a cluster.
type clustered struct {
	o          Cluster
	secret     *secret
	helper     *server.Server // see standin.go
	door       *door
	changes    sync.Mutex // held while the shape of the cluster changes at this node's hand
	leaving    atomic.Bool
	known      atomic.Bool // the roster has been read
	roster     *Map
	stopRoster func()
	missing    map[string]int // looks at members that are not in the roster
	strange    map[string]int // looks at peers that are no members
	helping    sync.Mutex     // guards helper
	routing    sync.Mutex     // guards routed
	routed     string         // the routes that the server has

	mu       sync.Mutex // guards what follows
	standing standing
}

// check validates o.
func (o *Cluster) check() error {
	if o.Name == "" || strings.ContainsAny(o.Name, " \t\r\n") {
		return fmt.Errorf("engine: cluster name %q: it is not empty, without blanks", o.Name)
	}
	for what, address := range map[string]string{"address": o.Address, "door": o.Door} {
		host, port, err := net.SplitHostPort(address)
		if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 || host == "" {
			return fmt.Errorf("engine: cluster %s %q: it is host:port, as other nodes reach it", what, address)
		}
	}
	return nil
}

var hastened = sync.OnceValue(hasten)

// newClustered reads the standing of the node, and finishes what was not when
// the process ended.
func (e *Engine) newClustered(o *Cluster) error {
	st, err := readStanding(e.o.Dir)
	if err != nil {
		return err
	}
	if o == nil {
		if st.Member || st.Growing {
			return fmt.Errorf("engine: %s holds the data of a member of a cluster, but there is no configuration of a cluster", e.o.Dir)
		}
		return nil
	}
	if err := errors.Join(o.check(), hastened()); err != nil {
		return err
	}
	if st.ID == "" {
		st.ID = rand.Text()[:16]
	}
	s, err := newSecret(o.Cookie, o.Name, st.ID, o.TLS)
	if err != nil {
		return err
	}
	e.cluster = &clustered{o: *o, secret: s, standing: st}
	if st.Growing {
		err = e.finishGrowth()
	} else if st.Member { // joining had got that far
		err = os.RemoveAll(filepath.Join(e.o.Dir, storeDir))
	}
	return errors.Join(err, e.stand(func(*standing) {}))
}

// enterFirst opens the engine as what it is: a member, or alone.
func (e *Engine) enterFirst(ctx context.Context) (err error) {
	c := e.cluster
	if c != nil && c.member() {
		if e.expelled() {
			e.log.Error("engine: this node was removed from its cluster; it goes on alone, without data")
			err = errors.Join(
				e.stand(func(st *standing) { st.ID, st.Member, st.Members = rand.Text()[:16], false, nil }),
				os.RemoveAll(filepath.Join(e.o.Dir, clusterDir)))
			if err != nil {
				return err
			}
		}
	}
	if c == nil || !c.member() {
		l, err := e.open(e.options(e.o.Dir))
		if err != nil {
			return err
		}
		e.link.Store(l)
	} else if err := e.enter(func(l *link) error { return e.atLast(ctx, l) }); err != nil {
		return errors.Join(err, e.exit())
	} else if err := e.begin(); err != nil {
		return errors.Join(err, e.exit())
	}
	if c != nil {
		if c.door, err = e.openDoor(); err != nil {
			return errors.Join(err, e.exit())
		}
	}
	return nil
}

// exit ends all that runs.
func (e *Engine) exit() (err error) {
	if c := e.cluster; c != nil && c.door != nil {
		err = c.door.close()
	}
	e.peers.end()
	if c := e.cluster; c != nil {
		err = errors.Join(err, e.help(false))
	}
	if l := e.to(); l != nil {
		l.close()
		if !l.clustered {
			err = errors.Join(err, e.stopped(l.store))
		}
	}
	return err
}

// quorate says whether enough nodes can be reached to keep anything.
func (e *Engine) quorate() bool {
	l := e.to()
	return l == nil || !l.clustered || e.enough.Load() || e.forced.Load()
}

// copiesNow is how many copies a new stream has.
func (e *Engine) copiesNow() int {
	n := 0
	if e.to().clustered {
		for _, m := range e.Members() {
			if m.Alive {
				n++
			}
		}
	}
	return min(max(n, 1), mostCopies)
}

func readStanding(dir string) (st standing, err error) {
	text, err := os.ReadFile(filepath.Join(dir, standingFile))
	if errors.Is(err, os.ErrNotExist) {
		return st, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &st)
	}
	if err != nil {
		return st, fmt.Errorf("engine: %w", err)
	}
	return st, nil
}

// stand changes the standing, and writes it.
func (e *Engine) stand(change func(*standing)) error {
	c := e.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.standing)
	self := e.self()
	others := c.standing.Members[:0:0]
	for _, m := range c.standing.Members {
		if m.ID != self.ID {
			others = append(others, m)
		}
	}
	c.standing.Members = append(others, self)
	text, err := json.MarshalIndent(c.standing, "", "  ")
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	name := filepath.Join(e.o.Dir, standingFile)
	if err = writeSynced(name+".new", text); err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}

func writeSynced(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// self is this node; c.mu is held.
func (e *Engine) self() Member {
	c := e.cluster
	return Member{ID: c.standing.ID, Node: e.o.Node, Address: c.o.Address, Door: c.o.Door, Since: e.since, Alive: true}
}

// others are the addresses of the members that are known.
func (c *clustered) others() (all []Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.standing.Members {
		if m.ID != c.standing.ID {
			all = append(all, m)
		}
	}
	return all
}

func (c *clustered) id() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.standing.ID
}

func (c *clustered) member() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.standing.Member
}

// clusterOptions are those of the server of a member.
func (e *Engine) clusterOptions() (*server.Options, error) {
	c := e.cluster
	host, port, err := net.SplitHostPort(c.o.Address)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	o := e.options(filepath.Join(e.o.Dir, clusterDir))
	e.asMember(o, c.id(), cmp.Or(c.o.AddressHost, host), n)
	o.Cluster.Advertise = c.o.Address
	o.Routes = e.routes()
	return o, nil
}

const (
	routePing     = time.Second
	routeSilences = 2 // pings without an answer after which a connection is given up
)

// asMember makes a server with these options one of the cluster.
func (e *Engine) asMember(o *server.Options, id, host string, port int) {
	c := e.cluster
	o.ServerName = id
	o.Tags.Add("id:" + id)
	o.NoSystemAccount, o.SystemAccount = false, server.DEFAULT_SYSTEM_ACCOUNT
	system := server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	o.Accounts = []*server.Account{system}
	o.Users = []*server.User{
		{Username: ownUser, Password: c.secret.password},
		{Username: systemUser, Password: c.secret.password, Account: system},
	}
	o.NoAuthUser = ownUser
	o.MaxPingsOut = routeSilences
	o.Cluster = server.ClusterOpts{
		Name: c.o.Name, Host: host, Port: port, TLSConfig: c.secret.tls, TLSTimeout: 5, AuthTimeout: 10,
		Username: ownUser, Password: c.secret.password,
		PoolSize: -1, PingInterval: routePing, MaxPingsOut: routeSilences, ConnectRetries: 5,
	}
}

const (
	ownUser    = "node"
	systemUser = "system"
)

// routes are where a member connects to: all others, and itself, as the server
// wants one at least.
func (e *Engine) routes() (all []*url.URL) {
	c := e.cluster
	addresses := []string{c.o.Address}
	for _, m := range c.others() {
		addresses = append(addresses, m.Address)
	}
	for _, a := range addresses {
		all = append(all, c.route(a))
	}
	return all
}

func (c *clustered) route(address string) *url.URL {
	return &url.URL{Scheme: "nats-route", Host: address, User: url.UserPassword(ownUser, c.secret.password)}
}
