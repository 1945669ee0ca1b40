//go:build !race

package engine

import _ "unsafe" // for go:linkname

// The server samples the process once a second from its initialisation on, as
// long as it can read the file of this name, which on systems other than Linux
// has another form. Nobody asks for what it finds. It reads for the first time
// while the program is initialised and again a second later. Cutting the name
// off moves no pointer, so that whoever reads it meanwhile reads some name; the
// race detector would complain all the same.
//
//go:linkname sampledFile github.com/nats-io/nats-server/v2/server/pse.procStatFile
var sampledFile string

var sampled = silence()

// silence is called while the program is initialised.
func silence() (sampled bool) {
	sampled = sampledFile != ""
	sampledFile = sampledFile[:0]
	return sampled
}
