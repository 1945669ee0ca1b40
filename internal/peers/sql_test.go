package peers

import (
	"strings"
	"testing"
	"time"
)

func TestDatabases(t *testing.T) {
	for _, tc := range []struct {
		name  string
		start func(testing.TB) *SQL
	}{{"MariaDB", MariaDB}, {"MySQL8", MySQL8}, {"Postgres", Postgres}} {
		t.Run(tc.name, func(t *testing.T) {
			began := time.Now()
			s := tc.start(t)
			t.Logf("ready after %v", time.Since(began))
			s.Exec("create table kept (a int); insert into kept values (42);")

			s.Pause()
			if err := accepts(s.Addr()); err != nil {
				t.Errorf("paused, it is to keep its socket: %v", err)
			}
			s.Resume()

			s.Kill()
			if accepts(s.Addr()) == nil {
				t.Error("killed, it takes connections")
			}
			began = time.Now()
			s.Start()
			t.Logf("back after %v", time.Since(began))
			if got := s.Exec("select a from kept;"); !strings.Contains(got, "42") {
				t.Errorf("after Kill and Start it knows %q", got)
			}
		})
	}
}
