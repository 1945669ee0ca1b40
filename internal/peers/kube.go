package peers

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// KubeAdmin is the token of who may do everything. A user's is its name with
// "-token" behind it.
const KubeAdmin = "admin-token"

// KubeAPI is a real API server of Kubernetes.
type KubeAPI struct {
	*Server
	CA string // of its certificate, a file
	t  testing.TB
	do *http.Client
}

// KubeAPIServer starts kube-apiserver over an etcd. It takes minutes to build,
// so unlike other peers it isn't promised: only `make kubernetes` builds it,
// and demands it by DUNLIN_REQUIRE_KUBE=1.
//
// It starts with users who may do nothing; give them roles.
func KubeAPIServer(t testing.TB, users ...string) *KubeAPI {
	t.Helper()
	program, ok := cached(t, "kube-apiserver-1.37.2", "kube-apiserver")
	switch {
	case !ok && os.Getenv("DUNLIN_REQUIRE_KUBE") == "1":
		t.Fatal("kube-apiserver is missing and DUNLIN_REQUIRE_KUBE=1: run make kubernetes")
	case !ok:
		t.Skip("kube-apiserver is missing: make kubernetes builds it, in some minutes; its recorded answers are tested instead")
	}
	certs, etcd := NewCertificates(t), Etcd(t, EtcdOptions{})
	port, dir := FreePort(t), newDir(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	accounts := write(t, dir, "sa.key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	logins := KubeAdmin + ",admin,admin,system:masters\n"
	for _, user := range users {
		logins += fmt.Sprintf("%s-token,%s,%s,\n", user, user, user)
	}
	tokens := write(t, dir, "tokens.csv", logins)
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(certs.CA)
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatalf("%s: %v", certs.CA, err)
	}
	k := &KubeAPI{CA: certs.CA, t: t, do: &http.Client{Timeout: 10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}}
	url := "https://" + loopback(port)
	k.Server = launch(t, port, dir, spec{
		name: "kube-apiserver",
		argv: []string{program, "--etcd-servers=http://" + etcd.Addr(), fmt.Sprintf("--secure-port=%d", port),
			"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", "--cert-dir=" + dir,
			"--tls-cert-file=" + certs.ServerCert, "--tls-private-key-file=" + certs.ServerKey,
			"--service-account-key-file=" + accounts, "--service-account-signing-key-file=" + accounts, "--service-account-issuer=" + url,
			"--token-auth-file=" + tokens, "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/24"},
		asUs: true, // the program may lie where nobody else may look
		ready: func() error {
			status, body, err := k.request(KubeAdmin, http.MethodGet, url+"/readyz", "")
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("%d: %s", status, body)
			}
			return err
		},
	})
	return k
}

// Request sends a request with a token, and returns the status and body of the
// answer.
func (k *KubeAPI) Request(token, method, path, body string) (status int, answer string) {
	k.t.Helper()
	status, answer, err := k.request(token, method, "https://"+k.Addr()+path, body)
	if err != nil {
		k.t.Fatal(err)
	}
	return status, answer
}

// Create makes an object, which must not be there yet.
func (k *KubeAPI) Create(path, object string) {
	k.t.Helper()
	if status, answer := k.Request(KubeAdmin, http.MethodPost, path, object); status != http.StatusCreated {
		k.t.Fatalf("create %s: %d: %s", path, status, answer)
	}
}

func (k *KubeAPI) request(token, method, url, body string) (status int, answer string, err error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := k.do.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}
