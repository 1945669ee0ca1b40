package node

import "testing"

// TestRetainedInRAM: a node that may be in a cluster has the retained messages of
// all, whatever their storage type.
func TestRetainedInRAM(t *testing.T) {
	t.Parallel()
	const ram = "DUNLIN_RETAINER__STORAGE_TYPE=ram"
	for _, c := range []struct {
		config *Config
		keeps  bool
	}{{member(t, ram), true}, {configured(t, ram), false}} {
		n := startMember(t, c.config)
		if n.Broker.Retained.Keeps() != c.keeps {
			t.Errorf("retained messages are kept: %v, want %v", !c.keeps, c.keeps)
		}
		n.Stop()
	}
}
