// Package dunlin is the root of the Dunlin module: it holds this page and the tests that guard the whole module, and no
// code. The broker is started by cmd/dunlin, put together by package node, and explained in ARCHITECTURE.md.
//
// The packages are one program's parts, not a library: they may change together at any commit. What stays stable is what
// a user sees, that is MQTT itself, the configuration keys, the $SYS topics and the command line.
package dunlin
