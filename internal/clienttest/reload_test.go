package clienttest

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestCertificateReload: on SIGHUP the broker shows new clients its new
// certificate, and those who are connected notice nothing.
func TestCertificateReload(t *testing.T) {
	t.Parallel()
	b := start(t, "ssl")
	at := b.at(t, "ssl", 5)
	old := at.trust(t)
	before := dialPahoV5(t, at, session{id: "before"}, nil)
	before.subscribe(t, "a", 1)
	if err := os.RemoveAll(filepath.Join(b.dir, "certs")); err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(patience); ; time.Sleep(tickSoon) {
		nc, err := tls.Dial("tcp", at.addr, old)
		if err != nil {
			break // the new one is not of the old authority
		}
		nc.Close()
		if time.Now().After(until) {
			t.Fatalf("%v after SIGHUP the broker shows its old certificate", patience)
		}
	}
	after := dialPahoV5(t, at, session{id: "after"}, nil)
	after.publish(t, "a", 1, false, "hello")
	expectNext(t, before, message{"a", "hello", 1, false})
}
