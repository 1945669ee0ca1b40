package node

import (
	"io"
	"log/slog"
	"testing"
)

// BenchmarkLog is what a line costs whoever writes it: one that nobody takes,
// and one for an output that keeps up or loses it.
func BenchmarkLog(b *testing.B) {
	var c LogConfig
	c.SetDefaults()
	l, err := c.Open(io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for name, level := range map[string]slog.Level{"below the level": slog.LevelInfo, "written": slog.LevelWarn} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.LogAttrs(b.Context(), level, "a connection is closed", slog.String("client", "c1"), slog.String("reason", "kicked"))
			}
		})
	}
}
