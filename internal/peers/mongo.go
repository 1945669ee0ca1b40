package peers

import "testing"

// MongoOptions are how the server is started; the zero value is one without
// TLS that belongs to no replica set.
type MongoOptions struct {
	TLS *Certificates // nil: none; else clients need a certificate
	// ReplicaSet is what the server says it belongs to, alone.
	ReplicaSet string
}

// MongoUser and MongoPassword log in to a Mongo, by the database admin.
const MongoUser, MongoPassword = "root", "mongo secret"

// Mongo starts FerretDB over SQLite, which speaks MongoDB's protocol and is
// all of MongoDB that a package manager has.
func Mongo(t testing.TB, o MongoOptions) *Server {
	t.Helper()
	port, dir := FreePort(t), newDir(t)
	addr := loopback(port)
	argv := []string{
		fetched(t, "ferretdb-1.24.0", "ferretdb"), "--handler=sqlite", "--sqlite-url=file:" + dir + "/", "--state-dir=" + dir,
		"--debug-addr=-", "--telemetry=disable", "--log-level=ERROR", "--repl-set-name=" + o.ReplicaSet,
		"--test-enable-new-auth=true", "--setup-username=" + MongoUser, "--setup-password=" + MongoPassword, "--setup-database=admin",
	}
	if o.TLS == nil {
		argv = append(argv, "--listen-addr="+addr)
	} else {
		argv = append(argv, "--listen-addr=", "--listen-tls="+addr, "--listen-tls-ca-file="+o.TLS.CA,
			"--listen-tls-cert-file="+o.TLS.ServerCert, "--listen-tls-key-file="+o.TLS.ServerKey)
	}
	return launch(t, port, dir, spec{name: "ferretdb", argv: argv})
}
