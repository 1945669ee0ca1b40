// Package mysql is the link to MySQL and MariaDB: statements with parameters
// go in, columns and rows come out.
//
// Accounts may be of any kind that these servers have, caching_sha2_password
// of MySQL 8 among them, with TLS and without. The package doesn't know what
// is in the tables.
package mysql
