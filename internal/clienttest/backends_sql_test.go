package clienttest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/dunlin-mq/dunlin/internal/peers"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// EMQ X's tables. Those of MySQL have no place for characters of four bytes.
const (
	mysqlTables = `
		create table mqtt_user (id int unsigned not null auto_increment primary key, username varchar(100) unique, password varchar(100),
			salt varchar(35), is_superuser tinyint(1) default 0, created datetime) default charset=utf8;
		create table mqtt_acl (id int unsigned not null auto_increment primary key, allow int(1) default 1, ipaddr varchar(60),
			username varchar(100), clientid varchar(100), access int(2) not null, topic varchar(100) not null default '') default charset=utf8;`
	postgresTables = `
		create table mqtt_user (id serial primary key, is_superuser boolean, username varchar(100), password varchar(100), salt varchar(40));
		create table mqtt_acl (id serial primary key, allow integer, ipaddr varchar(60), username varchar(100), clientid varchar(100),
			access integer, topic varchar(100));
		grant select on mqtt_user, mqtt_acl to encrypted;`
)

func mySQL8Backends(t testing.TB) []*backend {
	return mysqlBackends(peers.MySQL8(t))
}
func mariaDBBackends(t testing.TB) []*backend {
	return mysqlBackends(peers.MariaDB(t))
}
func postgresBackends(t testing.TB) []*backend {
	return sqlBackends("pgsql", postgresTables, peers.Postgres(t))
}

// mysqlBackends compare as EMQ X's tables do: regardless of case, accents and
// blanks at the end.
func mysqlBackends(db *peers.SQL) []*backend {
	all := sqlBackends("mysql", mysqlTables, db)
	for _, b := range all {
		b.alike = []string{"ANN", "änn", "ann "}
	}
	return all
}

// sqlBackends is one database that is asked in the clear, and then by a user
// who has to encrypt.
func sqlBackends(provider, tables string, db *peers.SQL) []*backend {
	db.Exec(tables)
	grant := func(_ testing.TB, _ *scene, user string, r right) {
		db.Exec(fmt.Sprintf("insert into mqtt_acl (allow, username, access, topic) values (1, '%s', %s, '%s');", user, r.number(), r.topic))
	}
	for _, a := range accounts {
		db.Exec(fmt.Sprintf("insert into mqtt_user (username, password, is_superuser) values ('%s', '%s', %t);", a.name, sha256Hex(a.password), a.super))
		for _, r := range a.rights {
			grant(nil, nil, a.name, r)
		}
	}
	key := "auth." + provider + "."
	b := &backend{
		provider: provider, refusal: mqtt.NotAuthorized, secrets: []string{db.Password, "not-the-secret"},
		settings: []string{key + "enable=on", key + "server=" + db.Addr(), key + "username=" + db.Username, key + "password=" + db.Password,
			key + "database=" + db.Database},
		grant: grant, password: rightPassword, wrong: wrongPassword, server: db,
		badLogin: []string{key + "password=not-the-secret"},
		badPlace: []string{key + "auth_query=select password from nowhere where username = '%u'"},
	}
	encrypted := *b
	encrypted.way = "TLS"
	encrypted.settings = append(slices.Clone(b.settings), key+"username=encrypted", key+"ssl=on", key+"ssl.verify=true", key+"ssl.cacertfile="+db.Certs.CA)
	encrypted.badAuthority = []string{key + "ssl.cacertfile=" + db.Certs.OtherCA}
	return []*backend{b, &encrypted}
}

func sha256Hex(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}
