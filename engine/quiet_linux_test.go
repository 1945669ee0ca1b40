//go:build !race

package engine

import "testing"

// TestSilence fails when the server's sampler has no such file any more.
func TestSilence(t *testing.T) {
	if !sampled || sampledFile != "" {
		t.Errorf("the server samples %q", sampledFile)
	}
}
