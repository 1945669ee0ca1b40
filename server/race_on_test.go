//go:build race

package server

// raceEnabled: the race detector watches, which takes time and memory.
const raceEnabled = true
