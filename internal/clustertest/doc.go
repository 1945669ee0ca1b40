// Package clustertest proves what a broker promises while its processes, disks
// and networks fail: it runs `dunlin` nodes as real processes, breaks them and
// what lies between them, drives publishers and subscribers meanwhile, and
// judges what these saw.
//
// A node (node.go) has an address of the loopback network, or a network
// namespace of its own (space_linux.go) on a network (network_linux.go) that is
// a loop in the test itself: it can lose, delay and cut what goes from any node
// to any other, in one direction too, needs no firewall and no bridge, and
// vanishes with the test. A client (client.go) keeps its side of MQTT's
// promises over lost connections and notes all it sees in a History
// (history.go), of which Check (check.go) says what was lost, came twice or out
// of order.
//
// The clients speak the project's codec, for whether packets are right byte for
// byte is internal/mqtttest's concern. Nothing here measures speed, which is
// bench's, and nothing but tests imports it.
package clustertest
