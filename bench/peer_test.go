package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/internal/peers"
)

// mosquitto starts Debian's broker on free ports with a configuration of its
// own and stops it when the test ends.
func mosquitto(t *testing.T) (plain, secure, ws, pid int) {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		if program = "/usr/sbin/mosquitto"; !exists(program) {
			if os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" {
				t.Fatal("mosquitto is not installed: apt-get install mosquitto")
			}
			t.Skip("mosquitto is not installed: apt-get install mosquitto")
		}
	}
	plain, secure, ws = peers.FreePort(t), peers.FreePort(t), peers.FreePort(t)
	cert, key := certFiles(t)
	config := filepath.Join(t.TempDir(), "mosquitto.conf")
	text := fmt.Sprintf("user root\nallow_anonymous true\npersistence false\nlog_type error\nmax_queued_messages 1000\n"+
		"listener %d 127.0.0.1\nlistener %d 127.0.0.1\ncertfile %s\nkeyfile %s\nlistener %d 127.0.0.1\nprotocol websockets\n",
		plain, secure, cert, key, ws)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", config)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // "signal: killed"
		if t.Failed() {
			t.Log(said.String())
		}
	})
	for _, port := range []int{plain, secure, ws} {
		waitFor(t, func() bool {
			conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
			if err != nil {
				return false
			}
			return conn.Close() == nil
		})
	}
	return plain, secure, ws, cmd.Process.Pid
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestAgainstMosquitto takes each verb, version, QoS and transport to a broker
// that others wrote.
func TestAgainstMosquitto(t *testing.T) {
	plain, secure, ws, pid := mosquitto(t)
	for _, to := range []struct {
		name     string
		port     int
		flags    string
		versions []int
	}{{"tcp", plain, "", []int{3, 4, 5}}, {"tls", secure, " -S", []int{4, 5}}, {"ws", ws, " --ws", []int{5}}} {
		for _, version := range to.versions {
			for qos := range 3 {
				line := fmt.Sprintf("roundtrip -c 3 --rate 600 --warmup 0 --seconds 0.2 -i 0 -V %d -q %d%s", version, qos, to.flags)
				res := good(t, to.port, line)
				if res.Delivered < 50 || res.Delivered != res.Sent || qos > 0 && res.Acked != res.Sent {
					t.Errorf("%s: sent %d, acknowledged %d, delivered %d", line, res.Sent, res.Acked, res.Delivered)
				}
			}
		}
		if res := good(t, to.port, "conn -c 20 -i 1 --seconds 0.1 -k 1"+to.flags); res.Connected != 20 {
			t.Errorf("%s: conn: %d connected", to.name, res.Connected)
		}
		big := good(t, to.port, "roundtrip -c 2 --rate 20 -s 100000 -q 1 --warmup 0 --seconds 0.5 -i 0"+to.flags)
		if big.Delivered < 5 {
			t.Errorf("%s: %d large messages arrived", to.name, big.Delivered)
		}
	}
	res := good(t, plain, fmt.Sprintf("roundtrip --publishers 50 --subscribers 5 --filter shared -q 0 -V 5 -i 0 --rate 10000 --warmup 0.1 --seconds 1 --pid %d", pid))
	if res.BrokerCPUS <= 0 || res.RSSBefore < 1000 || res.RSSPeak < res.RSSBefore || res.LoadCPUS <= 0 {
		t.Errorf("accounting for the broker's process: %+v", res)
	}
}

func TestSessionsThatStay(t *testing.T) {
	plain, _, _, _ := mosquitto(t)
	keep := " -c 2 -C false -x 60 --prefix stay -q 1 -t stay/%i -i 0"
	good(t, plain, "sub --seconds 0.05"+keep)
	good(t, plain, "pub -t stay/1 -c 1 -q 1 -I 1 -L 10 -i 0")
	if res := good(t, plain, "sub -L 10 --seconds 5"+keep); res.Delivered != 10 {
		t.Errorf("a session that stayed got %d of 10 messages", res.Delivered)
	}
}

// TestOfflineAgainstMosquitto: a real broker keeps what comes for sessions that
// are away.
func TestOfflineAgainstMosquitto(t *testing.T) {
	plain, secure, ws, _ := mosquitto(t)
	f := func(port int, line string, queued uint64) {
		t.Helper()
		res := good(t, port, "offline -i 0 "+line)
		if res.Queued != queued || res.Delivered != queued || res.Acked != res.Sent {
			t.Errorf("%s: %+v", line, res)
		}
	}
	for version := 3; version <= 5; version++ {
		for qos := 1; qos <= 2; qos++ {
			// Version 2.0.11 sends the first 20 to a session of QoS 2 that comes
			// back before version 5, gets its PUBCOMPs, and sends no more.
			f(plain, fmt.Sprintf("-c 5 -L 100 -V %d -q %d --prefix o%[1]d%[2]d", version, qos), 100)
		}
	}
	f(plain, "-c 5 -L 2500", 2500)
	f(plain, "--publishers 2 --subscribers 10 --filter all -L 200", 2000)
	f(secure, "-c 2 -L 20 -S", 20)
	f(ws, "-c 2 -L 20 --ws", 20)
	res, _, _ := bench(t, plain, "offline -i 0 -c 1 -L 1500 --drain 0.5") // its queue holds 1000
	if res.Lost != 500 || res.Delivered != 1000 {
		t.Errorf("of 1500 messages %d came, %d were lost", res.Delivered, res.Lost)
	}
}

// TestPairsAgainstMosquitto: one broker under two addresses is two brokers to
// the tool, between which messages pass.
func TestPairsAgainstMosquitto(t *testing.T) {
	plain, _, _, pid := mosquitto(t)
	res := good(t, plain, fmt.Sprintf("roundtrip -h 127.0.0.1,localhost -c 8 -q 1 -i 0 --rate 800 --warmup 0 --seconds 0.5 --pid %d,%[1]d", pid))
	if len(res.Pairs) != 4 || res.Delivered == 0 {
		t.Errorf("%+v", res)
	}
}
