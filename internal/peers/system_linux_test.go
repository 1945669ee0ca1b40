package peers

import "testing"

// TestPause: when Pause returns no thread of the server can answer any more.
func TestPause(t *testing.T) {
	s := Redis(t, RedisOptions{})
	for range 50 {
		s.Pause()
		if runs(s.cmd.Process.Pid) {
			t.Fatal("it is paused, and runs")
		}
		s.Resume()
	}
	if got := redisCLI(t, s, "", "ping"); got != "PONG\n" {
		t.Errorf("resumed, it answered %q", got)
	}
}
