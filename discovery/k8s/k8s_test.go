package k8s

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/discovery"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "record the answers of the real API server in "+recordings)

const (
	recordings = "testdata/answers.json"
	enough     = 20 * time.Second // is more than any answer takes
)

// recorded is what a real API server has answered to a GET, by token and path.
type recorded map[string]map[string]answer

type answer struct {
	Status int
	Body   json.RawMessage
}

// account makes the folder of a service account.
func account(t *testing.T, token, ca string) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "token", token+"\n")
	put(t, dir, "ca.crt", ca)
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// discover asks once and returns names divided by blanks, or the error.
func discover(t *testing.T, p *Pods) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	nodes, err := p.Discover(ctx)
	if err != nil {
		return err.Error()
	}
	return strings.Join(nodes, " ")
}

// The services that the API server of the tests knows, all in the namespace
// iot. Slices of emqx differ from its Endpoints, to tell who was asked.
var objects = []struct{ path, body string }{
	{"/api/v1/namespaces", `{"metadata": {"name": "iot"}}`},
	{"/api/v1/namespaces/iot/endpoints", `{"metadata": {"name": "emqx"}, "subsets": [
		{"addresses": [{"ip": "10.0.0.2", "hostname": "emqx-1"}, {"ip": "10.0.0.1", "hostname": "emqx-0"}],
		 "notReadyAddresses": [{"ip": "10.0.0.9", "hostname": "emqx-9"}], "ports": [{"name": "mqtt", "port": 1883}]},
		{"addresses": [{"ip": "10.0.0.1", "hostname": "emqx-0"}], "ports": [{"name": "ws", "port": 8083}]}]}`},
	{"/api/v1/namespaces/iot/endpoints", `{"metadata": {"name": "bare"}, "subsets": [
		{"addresses": [{"ip": "10.0.1.1"}, {"ip": "10.0.1.2"}], "ports": [{"port": 1883}]}]}`},
	{"/api/v1/namespaces/iot/endpoints", `{"metadata": {"name": "empty"}}`},
	{"/api/v1/namespaces/iot/endpoints", `{"metadata": {"name": "six"}, "subsets": [
		{"addresses": [{"ip": "fd00::1"}], "ports": [{"port": 1883}]}]}`},
	{slicesOf("iot"), `{"metadata": {"name": "emqx-1", "labels": {"kubernetes.io/service-name": "emqx"}}, "addressType": "IPv4", "endpoints": [
		{"addresses": ["10.0.2.1"], "conditions": {"ready": true}, "hostname": "emqx-0"},
		{"addresses": ["10.0.2.2"], "hostname": "emqx-1"},
		{"addresses": ["10.0.2.9"], "conditions": {"ready": false}, "hostname": "emqx-9"}]}`},
	{slicesOf("iot"), `{"metadata": {"name": "emqx-2", "labels": {"kubernetes.io/service-name": "emqx"}}, "addressType": "IPv4", "endpoints": [
		{"addresses": ["10.0.2.3"], "conditions": {"ready": true}, "hostname": "emqx-2"}]}`},
	{slicesOf("iot"), `{"metadata": {"name": "emqx-6", "labels": {"kubernetes.io/service-name": "emqx"}}, "addressType": "IPv6", "endpoints": [
		{"addresses": ["fd00::2:1"], "conditions": {"ready": true}, "hostname": "emqx-0"}]}`},
	{slicesOf("iot"), `{"metadata": {"name": "sliced-6", "labels": {"kubernetes.io/service-name": "sliced"}}, "addressType": "IPv6", "endpoints": [
		{"addresses": ["fd00::3:1"], "conditions": {"ready": true}}]}`},
	{role("iot"), `{"metadata": {"name": "endpoints"}, "rules": [{"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get"]}]}`},
	{role("iot"), `{"metadata": {"name": "slices"}, "rules": [{"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]}]}`},
	{binding("iot"), bind("endpoints", "both", "classic")},
	{binding("iot"), bind("slices", "both", "modern")},
}

func slicesOf(namespace string) string {
	return "/apis/discovery.k8s.io/v1/namespaces/" + namespace + "/endpointslices"
}
func role(namespace string) string {
	return "/apis/rbac.authorization.k8s.io/v1/namespaces/" + namespace + "/roles"
}
func binding(namespace string) string {
	return "/apis/rbac.authorization.k8s.io/v1/namespaces/" + namespace + "/rolebindings"
}

func bind(role string, users ...string) string {
	var subjects []string
	for _, user := range users {
		subjects = append(subjects, fmt.Sprintf(`{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": %q}`, user))
	}
	return fmt.Sprintf(`{"metadata": {"name": %q}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": %q}, "subjects": [%s]}`,
		role, role, strings.Join(subjects, ", "))
}

// suite is what holds of every API server with the objects.
func suite(t *testing.T, url, ca string) {
	f := func(user, service, address, want string) {
		t.Helper()
		kind, suffix, _ := strings.Cut(address, " ")
		c := discovery.K8s{APIServer: url, ServiceName: service, AddressType: kind, AppName: "emqx", Namespace: "iot", Suffix: suffix}
		p := New(c, discovery.Self{Name: "dunlin@h"}, account(t, user+"-token", ca))
		defer p.Close()
		got := discover(t, p)
		if rest, isPrefix := strings.CutSuffix(want, "..."); got != want && (!isPrefix || !strings.HasPrefix(got, rest)) {
			t.Errorf("%s asks for the %s of %s:\ngot  %s\nwant %s", user, address, service, got, want)
		}
	}
	f("both", "emqx", "ip", "emqx@10.0.0.1 emqx@10.0.0.2")
	f("both", "emqx", "ip ignored.example.org", "emqx@10.0.0.1 emqx@10.0.0.2")
	f("both", "emqx", "dns pod.cluster.local", "emqx@10-0-0-1.iot.pod.cluster.local emqx@10-0-0-2.iot.pod.cluster.local")
	f("both", "emqx", "dns", "emqx@10-0-0-1.iot emqx@10-0-0-2.iot")
	f("both", "emqx", "hostname svc.cluster.local", "emqx@emqx-0.emqx.iot.svc.cluster.local emqx@emqx-1.emqx.iot.svc.cluster.local")
	f("both", "empty", "ip", "")
	f("both", "six", "ip", "emqx@fd00::1")
	f("both", "six", "dns pod.cluster.local", "emqx@fd00--1.iot.pod.cluster.local")
	f("both", "sliced", "ip", "emqx@fd00::3:1")
	f("classic", "emqx", "ip", "emqx@10.0.0.1 emqx@10.0.0.2")
	f("modern", "emqx", "ip", "emqx@10.0.2.1 emqx@10.0.2.2 emqx@10.0.2.3")
	f("modern", "emqx", "hostname svc.cluster.local", "emqx@emqx-0.emqx.iot.svc.cluster.local emqx@emqx-1.emqx.iot.svc.cluster.local emqx@emqx-2.emqx.iot.svc.cluster.local")

	const at = "kubernetes: service %s in namespace iot: "
	f("both", "bare", "hostname svc.cluster.local", fmt.Sprintf(at, "bare")+"no pod has a hostname: address_type = hostname is for a StatefulSet whose serviceName is the service")
	f("both", "missing", "ip", fmt.Sprintf(at, "missing")+`GET /api/v1/namespaces/iot/endpoints/missing: status 404: endpoints "missing" not found; there is no such service, or it is in another namespace`)
	const role = "; the role of the service account needs the verb get on endpoints, or list on endpointslices of discovery.k8s.io"
	f("nobody", "emqx", "ip", fmt.Sprintf(at, "emqx")+`GET /api/v1/namespaces/iot/endpoints/emqx: status 403: endpoints "emqx" is forbidden: User "nobody" cannot get resource "endpoints" in API group "" in the namespace "iot"`+role+
		"\n"+`GET /apis/discovery.k8s.io/v1/namespaces/iot/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Demqx: status 403: endpointslices.discovery.k8s.io is forbidden: User "nobody" cannot list resource "endpointslices" in API group "discovery.k8s.io" in the namespace "iot"`+role)
	f("modern", "missing", "ip", fmt.Sprintf(at, "missing")+`GET /api/v1/namespaces/iot/endpoints/missing: status 403: ...`)
	f("unknown", "emqx", "ip", fmt.Sprintf(at, "emqx")+"GET /api/v1/namespaces/iot/endpoints/emqx: status 401: Unauthorized; the API server doesn't take the token of the service account")
}

// TestAPIServer asks a real one.
func TestAPIServer(t *testing.T) {
	k := peers.KubeAPIServer(t, "both", "classic", "modern", "nobody")
	for _, o := range objects {
		k.Create(o.path, o.body)
	}
	ca, err := os.ReadFile(k.CA)
	if err != nil {
		t.Fatal(err)
	}
	suite(t, "https://"+k.Addr(), string(ca))
	if *update {
		record(t, k)
	}
}

func record(t *testing.T, k *peers.KubeAPI) {
	t.Helper()
	all := make(recorded)
	for _, user := range []string{"both", "classic", "modern", "nobody", "unknown"} {
		all[user] = make(map[string]answer)
		for _, service := range []string{"emqx", "bare", "empty", "six", "sliced", "missing"} {
			for _, path := range []string{"/api/v1/namespaces/iot/endpoints/" + service, slicesOf("iot") + "?labelSelector=kubernetes.io%2Fservice-name%3D" + service} {
				status, body := k.Request(user+"-token", http.MethodGet, path, "")
				all[user][path] = answer{status, json.RawMessage(body)}
			}
		}
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	put(t, "testdata", filepath.Base(recordings), string(text)+"\n")
}

// TestRecorded asks what a real API server has answered.
func TestRecorded(t *testing.T) {
	all := readRecorded(t)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		a, ok := all[strings.TrimSuffix(token, "-token")][r.URL.RequestURI()]
		if !ok {
			t.Errorf("no answer was recorded for %s %s with the token %q", r.Method, r.URL, token)
		}
		w.WriteHeader(a.Status)
		if _, err := w.Write(a.Body); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	suite(t, s.URL, caOf(s))
}

func readRecorded(t testing.TB) recorded {
	t.Helper()
	text, err := os.ReadFile(recordings)
	var all recorded
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func caOf(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

// answering starts a server of one handler, and Pods that ask it.
func answering(t *testing.T, h http.HandlerFunc) (p *Pods, folder string, s *httptest.Server) {
	t.Helper()
	s = httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	folder = account(t, "secret-token", caOf(s))
	p = New(discovery.K8s{APIServer: s.URL + "/", ServiceName: "emqx", AddressType: "ip", Namespace: "iot"}, discovery.Self{Name: "dunlin@h"}, folder)
	t.Cleanup(func() { p.Close() })
	return p, folder, s
}

const twoPods = `{"kind": "Endpoints", "subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}]}`

// TestRenewed: token and authority are read anew.
func TestRenewed(t *testing.T) {
	var want atomic.Value
	want.Store("Bearer secret-token")
	p, folder, s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != want.Load() {
			t.Errorf("sent %q, want %q", got, want.Load())
		}
		fmt.Fprint(w, twoPods)
	})
	const both = "dunlin@10.0.0.1 dunlin@10.0.0.2"
	f := func(want string) {
		t.Helper()
		if got := discover(t, p); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(both)
	want.Store("Bearer second")
	put(t, folder, "token", "second")
	f(both)
	certs := peers.NewCertificates(t)
	other, err := os.ReadFile(certs.OtherCA)
	if err != nil {
		t.Fatal(err)
	}
	put(t, folder, "ca.crt", string(other))
	f("certificate signed by unknown authority")
	put(t, folder, "ca.crt", "nothing")
	f("expected certificates in the form PEM in " + filepath.Join(folder, "ca.crt"))
	put(t, folder, "ca.crt", caOf(s)+string(other))
	f(both)
	if err := os.Remove(filepath.Join(folder, "token")); err != nil {
		t.Fatal(err)
	}
	f("the token of the service account: open " + filepath.Join(folder, "token"))
}

// TestPlain: without TLS no token leaves the machine, and none is needed.
func TestPlain(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "" {
			t.Errorf("sent %q", got)
		}
		fmt.Fprint(w, twoPods)
	}))
	defer s.Close()
	for _, folder := range []string{account(t, "secret-token", ""), "/no/such/folder"} {
		p := New(discovery.K8s{APIServer: s.URL, ServiceName: "emqx", AddressType: "ip", Namespace: "iot"}, discovery.Self{Name: "emqx@h"}, folder)
		if got := discover(t, p); got != "emqx@10.0.0.1 emqx@10.0.0.2" {
			t.Error(got)
		}
		p.Close()
	}
}

// TestStrangeAnswers: whatever the server sends is an error in words, and the
// token goes nowhere else.
func TestStrangeAnswers(t *testing.T) {
	f := func(what string, h http.HandlerFunc, want string) {
		t.Helper()
		p, _, _ := answering(t, h)
		got := discover(t, p)
		if !strings.Contains(got, want) || strings.Contains(got, "secret-token") {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	f("no JSON", text(200, "<html>"), "expected JSON of the Kubernetes API: invalid character '<'")
	f("another kind", text(200, `{"kind": "Pod"}`), `expected Endpoints, found a kind "Pod"`)
	f("no address", text(200, `{"kind": "Endpoints", "subsets": [{"addresses": [{"ip": "x"}]}]}`), "an address of the Endpoints: ParseAddr")
	f("too long", text(200, strings.Repeat(" ", maxAnswer+1)), "the answer is longer than 8388608 bytes")
	f("an error", text(500, `{"kind": "Status", "message": "etcd is\n away"}`), "status 500: etcd is away")
	f("a page", text(502, "<html>"), "status 502: Bad Gateway")
	f("a long story", text(429, `{"kind": "Status", "message": "`+strings.Repeat("a", 1000)+`"}`), "status 429: "+strings.Repeat("a", 300))
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request went elsewhere") }))
	defer elsewhere.Close()
	f("a redirection", http.RedirectHandler(elsewhere.URL, http.StatusFound).ServeHTTP, "status 302: Found")
	f("slices of another kind", func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "endpointslices") {
			fmt.Fprint(w, `{"kind": "List"}`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}, `expected an EndpointSliceList, found a kind "List"`)
}

func TestServerAway(t *testing.T) {
	p, _, s := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // returning would be an answer, and the client may still read it
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if nodes, err := p.Discover(ctx); err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
		t.Errorf("a silent server: %v, %v", nodes, err)
	}
	s.Close()
	if got := discover(t, p); !strings.Contains(got, "connection refused") {
		t.Errorf("a dead server: %s", got)
	}
}

// TestFamilies: a pod with two addresses has one name, of this node's family.
func TestFamilies(t *testing.T) {
	body := readRecorded(t)["modern"][slicesOf("iot")+"?labelSelector=kubernetes.io%2Fservice-name%3Demqx"].Body
	for host, want := range map[string]string{"10.0.2.1": "10.0.2.1 10.0.2.2 10.0.2.3", "fd00::2:1": "fd00::2:1", "emqx-0": "10.0.2.1 10.0.2.2 10.0.2.3", "": "10.0.2.1 10.0.2.2 10.0.2.3"} {
		pods, err := parseSlices(body, host)
		var got []string
		for _, p := range pods {
			got = append(got, p.ip.String())
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("for %q: %v, %v", host, got, err)
		}
	}
}

func FuzzEndpoints(f *testing.F) {
	fuzz(f, "/api/v1/", func(body []byte) ([]pod, error) { return parseEndpoints(body) })
}

func FuzzSlices(f *testing.F) {
	fuzz(f, "/apis/", func(body []byte) ([]pod, error) { return parseSlices(body, "emqx-0") })
}

func fuzz(f *testing.F, prefix string, parse func([]byte) ([]pod, error)) {
	for _, answers := range readRecorded(f) {
		for path, a := range answers {
			if strings.HasPrefix(path, prefix) {
				f.Add([]byte(a.Body))
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		pods, err := parse(body)
		if err != nil && pods != nil {
			t.Errorf("%v, and pods: %v", err, pods)
		}
		for _, p := range pods {
			if !p.ip.IsValid() {
				t.Error("a pod without an address")
			}
		}
		nodes, err := (&Pods{app: "emqx", c: discovery.K8s{AddressType: "dns", ServiceName: "s", Namespace: "n"}}).names(pods, err)
		if err == nil && len(nodes) > len(pods) {
			t.Errorf("%d names of %d pods", len(nodes), len(pods))
		}
	})
}
