// Package ldap is the link to a directory: it searches, and finds out whether
// a password is that of an entry. What for is not its business, and neither is
// trying again.
package ldap
