package engine

import (
	"testing"
	"time"
)

// hastened is what the server began with.
var serverBegan = [...]time.Duration{serverElectAfter, serverElectWithin, serverHeartbeat, serverQuorumLost, serverQuorumCheck}

// TestTiming fails when the server doesn't have the variables anymore that
// timing.go sets: they would then be zero, and setting them without effect.
func TestTiming(t *testing.T) {
	for i, began := range serverBegan {
		if began < 100*time.Millisecond {
			t.Errorf("timing %d of the server began as %v", i, began)
		}
	}
}
