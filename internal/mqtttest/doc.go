// Package mqtttest is the wire conformance suite of a broker: scenarios written as text, run over real sockets against any
// address, and the index of the numbered statements of MQTT 3.1.1 and 5.0 that they prove.
//
// A scenario says which packets its connections send and which ones they must get back, in order, exactly. The bytes are
// made and taken apart by a small codec of this package's own, slow and obvious on purpose: a mistake in the project's
// codec cannot hide behind the same mistake here. testdata/README.md explains the notation.
//
// The package is no client library and no load tool, and it knows nothing of what goes on inside a broker: what cannot be
// seen on the wire is tested where it lives. Only tests import it.
package mqtttest

//go:generate go test -run ^TestIndexIsFresh$ -update .
