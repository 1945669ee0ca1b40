package peers

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// access is pg_hba.conf.
//
//nolint:dupword // two columns may say the same
const access = `
hostnossl all encrypted,certified all reject
hostssl   all certified           all scram-sha-256 clientcert=verify-ca
host      all legacy              all md5
host      all all                 all scram-sha-256
`

// Postgres starts Debian's PostgreSQL. It has one user more, `legacy`, whose
// password is of the kind md5.
func Postgres(t testing.TB) *SQL {
	t.Helper()
	const bin = "/usr/lib/postgresql/*/bin/"
	server, initdb, psql := program(t, "postgres", bin+"postgres"), program(t, "initdb", bin+"initdb"), program(t, "psql")
	s, dir, port := newSQL(t), newDir(t), FreePort(t)
	data := filepath.Join(dir, "data")
	run(t, command([]string{initdb, "--pgdata=" + data, "--username=postgres", "--pwfile=" + write(t, dir, "password", s.Password),
		"--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"}, nil, false), "")

	as := func(user, database string) *exec.Cmd {
		return command([]string{psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--host=127.0.0.1",
			"--port=" + strconv.Itoa(port), "--username=" + user, database}, []string{"PGPASSWORD=" + s.Password}, true)
	}
	s.Server = launch(t, port, dir, spec{
		name: "PostgreSQL",
		argv: []string{server, "-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1", "-k", "",
			"-c", "hba_file=" + write(t, dir, "access.conf", access), "-c", "fsync=off",
			"-c", "ssl=on", "-c", "ssl_ca_file=" + s.Certs.CA,
			"-c", "ssl_cert_file=" + s.Certs.ServerCert, "-c", "ssl_key_file=" + s.Certs.ServerKey},
		ready: func() error { return check(as("postgres", "postgres")) },
	})
	s.client = func(script string) string { t.Helper(); return run(t, as(s.Username, s.Database), script) }
	secret := " password '" + strings.ReplaceAll(s.Password, "'", "''") + "';"
	run(t, as("postgres", "postgres"), "create user "+s.Username+secret+"create user encrypted"+secret+"create user certified"+secret+
		"set password_encryption = md5; create user legacy"+secret)
	run(t, as("postgres", "postgres"), "create database "+s.Database+" owner "+s.Username)
	return s
}
