package peers

import (
	"testing"
)

// SQL is a database server that holds the empty database `mqtt`, in which the
// user `dunlin` may do everything. The user `encrypted` has to use TLS, the
// user `certified` has to show a certificate as well; all have one password.
type SQL struct {
	*Server
	Username, Password, Database string
	Certs                        *Certificates

	client func(script string) string
}

// Exec has the server's own client run statements in the database, as one who
// may change its tables, and returns what it prints.
func (s *SQL) Exec(script string) string {
	s.t.Helper()
	return s.client(script)
}

func newSQL(t testing.TB) *SQL {
	return &SQL{Username: "dunlin", Password: "let-me:in@'home'", Database: "mqtt", Certs: NewCertificates(t)}
}
