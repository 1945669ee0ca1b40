package engine

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/internal/testlog"
)

// operatorLog is what an operator sees: a log at the level info.
type operatorLog struct{ testlog.Log }

// foreign are words of the embedded server.
var foreign = regexp.MustCompile(`(?i:jetstream|raft|nats|\bwal\b|filestore|\broute|consumer)|\$G|MAPS|LOG_`)

func (o *operatorLog) clean(t *testing.T) {
	t.Helper()
	if word := foreign.FindString(o.String()); word != "" {
		t.Errorf("the operator is told of %q:\n%s", word, o)
	}
}

func TestServerLog(t *testing.T) {
	type args []any
	said := func(format string, v args, want string) {
		t.Helper()
		var o operatorLog
		disk := 0
		l := &serverLog{log: o.Logger(), onDisk: func() { disk++ }}
		l.Warnf(format, v...)
		l.Errorf(format, v...) // is not said once more
		o.clean(t)
		got := o.String()
		if want == "" {
			if got != "" {
				t.Errorf("%s: %s", format, got)
			}
			return
		}
		if n := strings.Count(got, "\n"); n != 1 || !strings.Contains(got, want) {
			t.Errorf("%s: %q, expected %q", format, got, want)
		}
		if ofDisk := strings.Contains(got, "disk") || strings.Contains(got, "can't write"); ofDisk != (disk > 0) {
			t.Errorf("%s: the disk is looked at %d times", format, disk)
		}
	}
	said("JetStream cluster stream '%s > %s' has NO quorum, stalled", args{"$G", "LOG_messages_3"},
		"level=WARN msg=\"engine: the log messages, shard 3 can't be written to: too few of the nodes")
	said("JetStream cluster stream '%s > %s' has NO quorum, stalled", args{"$G", "MAPS"}, "engine: the small maps can't")
	said("%s", args{errors.New("JetStream stream '$G > MAP_sessions' has high message lag")}, "engine: the map sessions: copies")
	said("JetStream out of space, will be DISABLED", nil, "level=ERROR msg=\"engine: the disk is full")
	said("Filesystem permission denied while writing msg, disabling JetStream: %v", args{errors.New("open /x/1.blk: permission denied")}, "permission denied")
	said("RAFT [abc - S-R3F-x] Critical write error: %v", args{fmt.Errorf("write /x: %w", errors.New("input/output error"))}, "copy of a map or log: input/output error")
	said("RAFT [abc - _meta_] Error writing term and vote file for %q: %v", args{"_meta_", errors.New("write tav.idx: no space left on device")}, "no vote until it can: no space left on device")
	said("RAFT [abc - S-R3F-x] Corrupt WAL, will truncate", nil, "made anew from the others")
	said("Filestore [LOG_a_b_0] loadBlock error: %v", args{errors.New("message block data missing")}, "the log a_b, shard 0: a file is damaged: message block data missing")
	said("1.2.3.4:5 - rid:8 - TLS route handshake error: %v", args{errors.New("remote error: tls: bad certificate")}, "another cookie or certificate: bad certificate")
	said("1.2.3.4:5 - rid:8 - Slow Consumer Detected: WriteDeadline of %v exceeded with %d chunks of %d total bytes.", args{1, 2, 3}, "takes too long to read")
	for _, nothing := range []string{
		"Plaintext passwords detected, use nkeys or bcrypt", "Waiting for routing to be established...",
		"Maximum payloads over 8 MB are generally discouraged", "Starting nats-server", "RAFT [a - b] Falling behind in health check, commit 1 != applied 2",
	} {
		said(nothing, nil, "")
	}
}

// TestOperatorsLog: no word of the embedded server comes through while nodes
// start, join, lose each other and end; and what can't start says why.
func TestOperatorsLog(t *testing.T) {
	t.Parallel()
	var o operatorLog
	oa, ob := node(t, "a"), node(t, "b")
	oa.Log, ob.Log = o.Logger(), o.Logger()
	all := together(t, oa, ob)
	l := openLog(t, all[0], "l", LogOptions{Shards: 1})
	kept(t, l, "t", 0, 10)
	if err := all[1].Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "too few nodes", func() bool { return errors.Is(appended(l, "t", "r"), ErrNoQuorum) })
	o.clean(t)
	want := "b at " + ob.Cluster.Address
	eventually(t, "the one that can't be reached", func() bool { return strings.Contains(all[0].unreached(all[0].to()), want) })

	// A member whose address is taken.
	taken, err := net.Listen("tcp", ob.Cluster.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = Start(ob)
	says(t, err, "can't listen on its address", "address already in use", ob.Cluster.Address)
	if foreign.MatchString(fmt.Sprint(err)) {
		t.Error(err)
	}
	o.clean(t)
}
