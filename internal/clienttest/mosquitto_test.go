package clienttest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// mosquitto is a mosquitto_sub process; each publish is a mosquitto_pub. As
// the program subscribes only when it starts, connecting without a filter
// waits for the first subscribe, and every further one begins anew in the
// same session.
type mosquitto struct {
	at      endpoint
	session session
	filters []string
	qos     byte
	in      chan message

	sub    *exec.Cmd
	ending *atomic.Bool // a signal has been sent
	ended  chan struct{}
}

func connectMosquitto(t testing.TB, at endpoint, s session) peer {
	needTool(t, "mosquitto_sub")
	needTool(t, "mosquitto_pub")
	needTool(t, "stdbuf")
	m := &mosquitto{at: at, session: s, in: make(chan message, inboxSize)}
	t.Cleanup(func() { m.end(os.Kill) })
	if s.will != nil { // must be there before anybody subscribes
		m.subscribe(t, "unused/"+s.id, 0)
	}
	return m
}

// common are the options of both programs.
func (m *mosquitto) common() []string {
	args := []string{"-h", m.at.host(), "-p", m.at.port(), "-V", map[byte]string{3: "mqttv31", 4: "mqttv311", 5: "mqttv5"}[m.at.version]}
	if m.at.transport == "ssl" {
		args = append(args, "--cafile", m.at.ca)
	}
	return args
}

func (m *mosquitto) subscribe(t testing.TB, filter string, qos byte) {
	t.Helper()
	m.end(syscall.SIGTERM)
	m.filters, m.qos = append(m.filters, filter), qos
	m.run(t)
}

func (m *mosquitto) unsubscribe(t testing.TB, filter string) {
	t.Helper()
	m.end(syscall.SIGTERM)
	m.run(t, "-U", filter)
}

// run starts mosquitto_sub and returns when it has subscribed.
func (m *mosquitto) run(t testing.TB, more ...string) {
	t.Helper()
	// With -d it says when the SUBACK has come, which stdbuf lets out at once;
	// %x keeps a payload on one line.
	args := append([]string{"-oL", "mosquitto_sub"}, m.common()...)
	args = append(args, "-d", "-F", "MESSAGE %q %r %t %x", "-q", strconv.Itoa(int(m.qos)), "-i", m.session.id)
	for _, f := range m.filters {
		args = append(args, "-t", f)
	}
	if m.session.keep {
		args = append(args, "-c")
	}
	if w := m.session.will; w != nil {
		args = append(args, "--will-topic", w.topic, "--will-payload", w.payload, "--will-qos", strconv.Itoa(int(w.qos)))
	}
	m.sub = exec.Command("stdbuf", append(args, more...)...)
	var complaint bytes.Buffer
	m.sub.Stderr = &complaint
	out, err := m.sub.StdoutPipe()
	if err == nil {
		err = m.sub.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	subscribed, ended := make(chan struct{}), make(chan struct{})
	m.ending, m.ended = new(atomic.Bool), ended
	go func(sub *exec.Cmd, ending *atomic.Bool) {
		m.read(t, out, ending, subscribed)
		sub.Wait() // it was ended by a signal
		close(ended)
	}(m.sub, m.ending)
	select {
	case <-subscribed:
	case <-ended:
		t.Fatalf("mosquitto_sub %v ended before it had subscribed: %s", args, complaint.String())
	case <-time.After(patience):
		t.Fatalf("mosquitto_sub %v didn't subscribe within %v", args, patience)
	}
}

// read passes on what mosquitto_sub prints, until a signal is sent: its handler
// prints as well, and what is in the buffer then may come twice.
func (m *mosquitto) read(t testing.TB, out io.Reader, ending *atomic.Bool, subscribed chan<- struct{}) {
	lines := bufio.NewReader(out)
	connections := 0
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if ending.Load() {
			continue
		}
		switch word := strings.Fields(line); {
		case len(word) > 3 && word[3] == "CONNACK":
			if connections++; connections > 1 { // the program comes back by itself when it is cut off
				t.Error("mosquitto_sub has lost its connection")
			}
		case len(word) > 0 && word[0] == "Subscribed":
			close(subscribed)
		case len(word) > 3 && word[0] == "MESSAGE":
			payload, err := hex.DecodeString(strings.Join(word[4:], ""))
			if err != nil {
				payload = []byte(line)
			}
			m.in <- message{word[3], string(payload), word[1][0] - '0', word[2] == "1"}
		}
	}
}

func (m *mosquitto) publish(t testing.TB, topic string, qos byte, retain bool, payloads ...string) {
	t.Helper()
	args := append(m.common(), "-t", topic, "-q", strconv.Itoa(int(qos)))
	if retain {
		args = append(args, "-r")
	}
	switch text := strings.Join(payloads, "\n"); {
	case len(payloads) > 1:
		args = append(args, "-l")
	case text == "":
		args = append(args, "-n")
	default:
		args = append(args, "-s")
	}
	pub := exec.Command("mosquitto_pub", args...)
	pub.Stdin = strings.NewReader(strings.Join(payloads, "\n"))
	if out, err := pub.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub %v: %v: %s", args, err, out)
	}
}

func (m *mosquitto) disconnect(testing.TB) { m.end(syscall.SIGTERM) }
func (m *mosquitto) kill(testing.TB)       { m.end(os.Kill) }
func (m *mosquitto) inbox() <-chan message { return m.in }

// end ends the process: on SIGTERM it says goodbye. Its handler prints, and if
// the signal interrupts it while it prints already, it waits for itself for
// ever: so it gets the signal while it sleeps, and is killed if that was not
// enough.
func (m *mosquitto) end(how os.Signal) {
	if m.sub == nil {
		return
	}
	m.ending.Store(true)
	for range 1000 {
		if sleeps(m.sub.Process.Pid) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	m.sub.Process.Signal(how) // fails only if it has ended
	select {
	case <-m.ended:
	case <-time.After(patience):
		m.sub.Process.Kill()
		<-m.ended
	}
	m.sub = nil
}

// sleeps reports that a process waits for something to happen; true where the
// system doesn't tell.
func sleeps(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, found := strings.Cut(string(stat), ") ")
	return err != nil || !found || strings.HasPrefix(state, "S")
}
