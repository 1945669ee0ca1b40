package peers

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mysql8 is what scripts/peers.sh fetches.
const mysql8 = "mysql-8.0.15"

// small has a server write little at its start, and keeps it from the kernel's
// queues for asynchronous I/O, of which all servers of one user together have
// only so much.
var small = []string{"--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M", "--innodb-use-native-aio=0"}

// ownTemp keeps temporary tables out of the system's folder: whoever starts
// there deletes those of all others.
func ownTemp(data string) string { return "--tmpdir=" + filepath.Dir(data) }

// MariaDB starts Debian's MariaDB.
func MariaDB(t testing.TB) *SQL {
	t.Helper()
	server, install := program(t, "mariadbd"), program(t, "mariadb-install-db")
	s, data := newSQL(t), filepath.Join(newDir(t), "data")
	run(t, command(append([]string{install, "--no-defaults", "--datadir=" + data,
		"--auth-root-authentication-method=normal", "--skip-test-db", ownTemp(data)}, small...), nil, false), "")
	return startMySQL(t, s, data, spec{name: "MariaDB", argv: []string{server}})
}

// MySQL8 starts a MySQL 8, whose accounts are of the kind
// caching_sha2_password. It runs as root if the test does.
func MySQL8(t testing.TB) *SQL {
	t.Helper()
	server := fetched(t, mysql8, "bin", "mysqld")
	s, data := newSQL(t), filepath.Join(newDir(t), "data")
	// Neither logs for replicas nor a disk that has really written: it starts in half the time.
	options := []string{"--user=root", "--mysqlx=OFF", "--skip-log-bin", "--innodb-flush-method=nosync"}
	run(t, command(slices.Concat([]string{server, "--no-defaults", "--initialize-insecure", "--datadir=" + data, ownTemp(data)}, options, small), nil, true), "")
	return startMySQL(t, s, data, spec{name: "MySQL", argv: []string{server}, asUs: true}, options...)
}

// startMySQL starts a server on an initialised folder.
func startMySQL(t testing.TB, s *SQL, data string, how spec, options ...string) *SQL {
	t.Helper()
	client := program(t, "mariadb")
	dir, port := filepath.Dir(data), FreePort(t)
	admin := []string{client, "--no-defaults", "--skip-ssl", "--default-character-set=utf8mb4", "--user=root",
		"--socket=" + filepath.Join(dir, "s")}
	how.argv = slices.Concat(how.argv, []string{"--no-defaults"}, options, small)
	how.argv = append(how.argv,
		"--datadir="+data, ownTemp(data), "--socket="+filepath.Join(dir, "s"), "--pid-file="+filepath.Join(dir, "pid"),
		"--bind-address=127.0.0.1", "--port="+strconv.Itoa(port), "--skip-name-resolve",
		"--ssl-ca="+s.Certs.CA, "--ssl-cert="+s.Certs.ServerCert, "--ssl-key="+s.Certs.ServerKey,
		// What was committed outlives the process, not the machine.
		"--innodb-flush-log-at-trx-commit=2",
	)
	how.ready = func() error { return check(command(append(admin, "--execute=select 1"), nil, true)) }
	s.Server = launch(t, port, dir, how)
	s.client = func(script string) string {
		t.Helper()
		return run(t, command(append(admin, "--batch", s.Database), nil, true), script)
	}
	secret := "' identified by '" + strings.ReplaceAll(s.Password, "'", "''") + "'"
	run(t, command(admin, nil, true), "create database "+s.Database+" character set utf8mb4;"+
		"create user '"+s.Username+secret+"; grant all on "+s.Database+".* to "+s.Username+";"+
		"create user 'encrypted"+secret+" require ssl; create user 'certified"+secret+" require x509;"+
		"grant select on "+s.Database+".* to encrypted; grant select on "+s.Database+".* to certified;")
	return s
}
