package server

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a test leaves a goroutine behind: whatever a server has
// started is gone when it has stopped.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
