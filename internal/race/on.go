//go:build race

// Package race says whether the race detector watches, for tests that would
// otherwise demand what only a program without it can do: figures of
// allocations, memory and time. It is not for tests that could do without these.
package race

// Enabled is whether it watches.
const Enabled = true
