// Package postgres is the link to PostgreSQL and what speaks its protocol,
// such as TimescaleDB: statements with parameters go in, columns and rows come
// out. The package doesn't know what is in the tables.
package postgres
