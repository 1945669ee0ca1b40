// Package peers starts the real servers that tests talk to: databases,
// directories, caches, each on a free port of the loopback interface, with
// files of its own, for one test and its subtests.
//
// A server that takes long to start is started once, by a test whose subtests
// share it. What a server has printed stands in the log of a test that failed.
// A server that this machine doesn't have skips the test, and fails it where
// DUNLIN_REQUIRE_PEERS=1 promises every one; `make services` gets them.
//
// The package knows how servers are started and stopped, and what every link
// to one kind of them has to do. It links no client library, and loads data
// with the servers' own tools.
package peers
