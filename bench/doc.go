// Package bench is the users' load tool behind `dunlin bench`: it opens any
// number of MQTT connections to one broker, drives one traffic pattern, and
// reports rates, latency, losses and what the broker's process spent.
//
// It is a client of any broker and knows nothing of Dunlin's own: it shares
// the codec with it and no more. It is no test of correctness either; it
// counts what is lost or comes twice and leaves the judgement to its user.
//
// A verb (pattern.go) is compiled from its flags (options.go) to a plan; the
// run (run.go) takes the plan through connecting, holding, warming up,
// measuring and draining, on one goroutine. A client (client.go) is pure
// protocol; an engine moves its bytes: epoll for plain TCP on Linux, since the
// tool usually shares the machine with the broker, goroutines for all else.
package bench
