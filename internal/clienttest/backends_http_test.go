package clienttest

import (
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/internal/peers"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// httpBackends is a service of ours, in the clear and encrypted. The broker
// logs in by a header.
func httpBackends(t testing.TB) []*backend {
	const bearer = "Bearer of-the-broker"
	open := func(way string, c *peers.Certificates) *backend {
		s := newService(t, bearer, c)
		b := &backend{
			way: way, provider: "http", refusal: mqtt.BadUserNameOrPassword, secrets: []string{bearer},
			settings: []string{
				"auth.http.enable=on", "auth.http.header.authorization=" + bearer,
				"auth.http.auth_req.url=" + s.url + "/auth", "auth.http.super_req.url=" + s.url + "/super",
				"auth.http.acl_req.url=" + s.url + "/acl", "auth.http.acl_req.method=get",
			},
			badPlace: []string{"auth.http.auth_req.url=" + s.url + "/nowhere"},
			grant:    s.grant, password: rightPassword, wrong: wrongPassword, server: s,
		}
		if c != nil {
			b.settings = append(b.settings, "auth.http.ssl.cacertfile="+c.CA, "auth.http.ssl.verify=verify_peer")
			b.badAuthority = []string{"auth.http.ssl.cacertfile=" + c.OtherCA}
		}
		return b
	}
	return []*backend{open("", nil), open("TLS", peers.NewCertificates(t))}
}

// service is the HTTP service that many write for EMQ X.
type service struct {
	t         testing.TB
	addr, url string
	tls       *tls.Config // nil: in the clear
	server    *http.Server
	stalled   sync.RWMutex // held while it doesn't answer

	mu    sync.Mutex
	users map[string]account
}

func newService(t testing.TB, bearer string, c *peers.Certificates) *service {
	s := &service{t: t, addr: freeAddress(t), users: make(map[string]account)}
	s.url = "http://" + s.addr
	if c != nil {
		s.url = "https://" + s.addr
		pair, err := tls.LoadX509KeyPair(c.ServerCert, c.ServerKey)
		if err != nil {
			t.Fatal(err)
		}
		s.tls = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	for _, a := range accounts {
		s.users[a.name] = a
	}
	s.Start()
	t.Cleanup(s.Kill)
	s.server.Handler = s.handler(bearer)
	return s
}

// handler answers with a status, or the word ignore about whom it doesn't know.
func (s *service) handler(bearer string) http.Handler {
	mux := http.NewServeMux()
	answer := func(path string, status func(a account, r *http.Request) int) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s.stalled.RLock()
			s.stalled.RUnlock() //nolint:staticcheck // that is all the waiting
			s.mu.Lock()
			a, known := s.users[r.FormValue("username")]
			s.mu.Unlock()
			switch {
			case r.Header.Get("Authorization") != bearer:
				w.WriteHeader(http.StatusForbidden)
			case !known:
				w.Write([]byte("ignore")) // who asked may be gone
			default:
				w.WriteHeader(status(a, r))
			}
		})
	}
	orElse := func(ok bool, status int) int {
		if ok {
			return http.StatusOK
		}
		return status
	}
	answer("POST /auth", func(a account, r *http.Request) int {
		return orElse(r.FormValue("password") == a.password, http.StatusUnauthorized)
	})
	answer("POST /super", func(a account, _ *http.Request) int { return orElse(a.super, http.StatusForbidden) })
	answer("GET /acl", func(a account, r *http.Request) int {
		return orElse(a.may(r.FormValue("access"), r.FormValue("clientid"), r.FormValue("topic")), http.StatusForbidden)
	})
	return mux
}

// may is how the service reads rights.
func (a account) may(access, id, name string) bool {
	return slices.ContainsFunc(a.rights, func(r right) bool {
		if strings.ContainsAny(id, "+#/") && strings.Contains(r.topic, "%c") || r.number() != "3" && r.number() != access {
			return false
		}
		return topic.Match(strings.NewReplacer("%u", a.name, "%c", id).Replace(r.topic), name)
	})
}

func (s *service) grant(_ testing.TB, _ *scene, user string, r right) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.users[user]
	a.rights = append(slices.Clone(a.rights), r)
	s.users[user] = a
}

// Start makes it answer, at the same address as before.
func (s *service) Start() {
	var ln net.Listener
	eventually(s.t, "the service's port is free", func() (ok bool) {
		var err error
		ln, err = net.Listen("tcp", s.addr)
		return err == nil
	})
	next := &http.Server{ErrorLog: log.New(s.t.Output(), "the service: ", 0)}
	if s.server != nil {
		next.Handler = s.server.Handler
	}
	if s.server = next; s.tls != nil {
		ln = tls.NewListener(ln, s.tls)
	}
	go next.Serve(ln) // until Kill
}

// Kill cuts all its connections.
func (s *service) Kill() { s.server.Close() }

// Pause makes it keep its connections and say nothing.
func (s *service) Pause() { s.stalled.Lock() }

// Resume ends a Pause.
func (s *service) Resume() { s.stalled.Unlock() }
