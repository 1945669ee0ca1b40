package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/backup"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/trace"
)

// Options are what a Server is made of. A managed part that is nil has no
// routes.
type Options struct {
	Config    Config
	Dashboard Dashboard
	Pages     http.Handler // the dashboard's; nil: a page that names the interface
	Node      string       // its name
	Peers     Peers        // the others of its cluster; nil: there never are any
	Version   string
	DataDir   string // where the command line's socket is; empty: there is none
	Log       *slog.Logger
	Apps      keep.Map // the logins of programs; nil: gone with the process
	Users     keep.Map // those of the dashboard; nil: gone with the process
	// UserSessions are their logins, which hold on all nodes; nil: on this one.
	UserSessions keep.LaterMap
	Passwords    *auth.Passwords // those of the process; nil: some of its own

	Accounts  Accounts
	Rules     Rules
	Bans      Bans
	Caches    Caches
	Drainer   Drainer
	Scram     Scram
	Backup    *backup.Target // what is exported, but for the apps
	Exports   backup.Folder
	Alarms    Alarms
	Logs      Logs
	Traces    *trace.Tracer
	Configs   Configs
	Broker    *broker.Broker // clients, subscriptions, messages
	MQTT      Listeners
	Metrics   *metrics.Registry
	History   *metrics.History
	Zone      func(name string) (string, *broker.Zone, bool) // of a listener; the first one's for an empty name
	ReloadACL func() error                                   // reads the rule file again
	Reread    func() error                                   // reads the certificates of all listeners again
	Store     Store
	Cluster   Cluster
	Health    func() Health // nil: nothing is wrong
	Degraded  func() string // what doesn't work although clients can connect, for everybody to read; nil or empty: all does
	Backends  func() []Backend

	Evacuation Evacuations

	// On reports whether something is on that EMQ X has as a plugin or module of
	// this name.
	On func(name string) bool

	hash string // how secrets are kept; empty: bcrypt. Tests have no time for that
}

// Server is the interface with its listeners.
type Server struct {
	o   Options
	log *slog.Logger
	logins
	started  time.Time
	longest  atomic.Int64 // page
	routes   []Route
	tree     *tree
	origin   *http.CrossOriginProtection
	exporter *exporter

	mu        sync.Mutex // of listeners, for requests that come while they are opened
	listeners []*listener
	conns     map[string]*atomic.Int64 // open ones by the kind of listener; the map is never changed
	serving   sync.WaitGroup
	asked     chan struct{} // holds one for each question of another node that is being answered
	stopped   bool          // no more of these; guarded by mu
}

// New reads the logins and makes those that the configuration wants. The
// server listens nowhere yet.
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Passwords == nil {
		o.Passwords = auth.NewPasswords()
	}
	s := &Server{o: o, log: o.Log, started: time.Now(), origin: http.NewCrossOriginProtection(), asked: make(chan struct{}, mostAsked)}
	s.conns = map[string]*atomic.Int64{"unix": {}}
	for _, d := range []door{management, dashboard} {
		s.conns["http:"+string(d)], s.conns["https:"+string(d)] = new(atomic.Int64), new(atomic.Int64)
	}
	s.longest.Store(int64(o.Config.MaxRowLimit))
	s.exporter = newExporter(s)
	s.routes = s.allRoutes()
	s.tree = newTree(s.routes)
	return s, s.openLogins(o.Passwords)
}

// SetMaxRowLimit sets the longest page, for requests that come from now on.
func (s *Server) SetMaxRowLimit(rows int) { s.longest.Store(int64(rows)) }

// Start opens the listeners. After an error none is open.
func (s *Server) Start() error {
	err := s.listen()
	if err != nil {
		s.Stop()
	}
	return err
}

func (s *Server) listen() error {
	err := s.listenFor(management, &s.o.Config.HTTP, &s.o.Config.HTTPS)
	if err == nil {
		err = s.listenFor(dashboard, &s.o.Dashboard.HTTP, &s.o.Dashboard.HTTPS)
	}
	if err != nil || s.o.DataDir == "" {
		return err
	}
	l, err := listenSocket(Socket(s.o.DataDir))
	if err != nil {
		return err
	}
	s.serve(&listener{Listener: l, Protocol: "unix", door: socket})
	return nil
}

// listenFor opens the addresses of management or of the dashboard.
func (s *Server) listenFor(d door, h *HTTP, secure *HTTPS) error {
	key := string(d) + ".listener."
	for _, a := range h.Addresses {
		l, err := listenHTTP(key+"http", a, h.MaxClients)
		if err != nil {
			return err
		}
		s.serve(&listener{Listener: l, Protocol: "http", door: d})
	}
	for _, a := range secure.Addresses {
		c := &certificates{key: key + "https", files: secure}
		if err := c.load(); err != nil {
			return err
		}
		l, err := listenHTTP(key+"https", a, secure.MaxClients)
		if err != nil {
			return err
		}
		s.serve(&listener{Listener: l, Protocol: "https", door: d, certificates: c})
	}
	return nil
}

// Limits of one request. The longest answers are lists of max_row_limit rows.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	callTimeout   = 50 * time.Second // of a handler
	writeTimeout  = callTimeout + 10*time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
	stopTimeout   = 3 * time.Second // for the requests under way
)

// serve answers on l until Stop.
func (s *Server) serve(l *listener) {
	l.server = &http.Server{
		Handler:           s.handler(l.door),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true,
		ConnState:                    func(_ net.Conn, to http.ConnState) { follow(s.conns[l.kind()], to) },
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	s.serving.Go(func() {
		serve := l.server.Serve
		if l.certificates != nil {
			l.server.TLSConfig = l.certificates.config()
			serve = func(nl net.Listener) error { return l.server.ServeTLS(nl, "", "") }
		}
		if err := serve(l.Listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("a listener of the management API has ended", "address", l.Addr().String(), "err", err)
		}
	})
}

// follow counts the open connections.
func follow(n *atomic.Int64, to http.ConnState) {
	switch to {
	case http.StateNew:
		n.Add(1)
	case http.StateClosed, http.StateHijacked:
		n.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// Stop closes the listeners, lets the requests under way end, within limits,
// and waits until nothing of them is left.
func (s *Server) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var stopping sync.WaitGroup
	for _, l := range s.listeners {
		stopping.Go(func() {
			if l.server.Shutdown(ctx) == nil {
				return
			}
			if err := l.server.Close(); err != nil {
				s.log.Debug("a listener of the management API was not closed", "address", l.Addr().String(), "err", err)
			}
		})
	}
	stopping.Wait()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.serving.Wait()
	s.listeners = nil
}

// Listener is one address the interface is at.
type Listener struct {
	Protocol string // http, https or unix
	For      string // management or dashboard; of unix empty
	Addr     net.Addr
}

// Listeners are those that are open.
func (s *Server) Listeners() (all []Listener) {
	for _, l := range s.listeners {
		all = append(all, Listener{l.Protocol, string(l.door), l.Addr()})
	}
	return all
}

// Greeting is what the operator has to be told once, at the start: the logins
// that were made up, which nobody can look up later. It is empty when there is
// nothing to tell, as when the node has joined a cluster since, whose logins count.
func (s *Server) Greeting() string {
	text := ""
	if l := s.listenerFor(management); l != nil && s.firstApp.secret != "" && s.apps.Check(context.Background(), s.firstApp.name, s.firstApp.secret) {
		text += fmt.Sprintf("The first login of the management API, shown only this once:\n  curl -u %s:%s %s://%s/api/v4/brokers\n",
			s.firstApp.name, s.firstApp.secret, l.Protocol, l.Addr())
	}
	if l := s.listenerFor(dashboard); l != nil && s.stillFirst() {
		text += fmt.Sprintf("The first login of the dashboard, shown only this once; its password has to be changed:\n  %s://%s  user %s, password %s\n",
			l.Protocol, l.Addr(), s.firstUser.name, s.firstUser.secret)
	}
	return text
}

// FirstLogins reports whether some were made up.
func (s *Server) FirstLogins() bool { return s.firstApp.secret != "" || s.firstUser.secret != "" }

// stillFirst reports whether a first user of the dashboard was made who can log
// in still.
func (s *Server) stillFirst() bool {
	if s.firstUser.secret == "" {
		return false
	}
	_, ok := s.users.Check(context.Background(), s.firstUser.name, s.firstUser.secret)
	return ok
}

// listenerFor is the first that is open, or nil.
func (s *Server) listenerFor(d door) *listener {
	i := slices.IndexFunc(s.listeners, func(l *listener) bool { return l.door == d })
	if i < 0 {
		return nil
	}
	return s.listeners[i]
}
