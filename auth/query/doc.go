// Package query answers out of databases and directories: it asks one for what
// is stored about a client, and reads the answer as EMQ X does. There is one
// provider for each kind: MySQL, PostgreSQL, Redis, MongoDB, LDAP.
//
// What a client sends goes to the backend as data, never as part of a command.
// The package knows the queries and the meaning of their answers; connections
// and protocols are behind small interfaces, which the packages below
// connector fit.
package query
