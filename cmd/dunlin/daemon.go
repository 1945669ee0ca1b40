package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/dunlin-mq/dunlin/node"
)

// edition is the program as EMQ X's sentences name theirs.
const edition = "Dunlin " + node.Version

// pidFile is held by the broker of a data directory as long as it serves.
func pidFile(dataDir string) string { return filepath.Join(dataDir, "dunlin.pid") }

// daemon is a broker as a process of its own: the one that a configuration is
// for.
type daemon struct {
	file        string // the configuration
	config      *node.Config
	out, errOut io.Writer
}

// daemonCommands are the verbs of the script emqx that concern the process.
func daemonCommands() []*cobra.Command {
	restart := daemonCommand("restart", "Stop the broker and start it again in the background", (*daemon).restart)
	restart.Aliases = []string{"reboot"}
	return []*cobra.Command{
		foregroundCommand(),
		daemonCommand("start", "Start the broker in the background and wait until it serves", (*daemon).start),
		daemonCommand("stop", "Stop the broker and wait until it has ended", func(d *daemon) error {
			err := d.stop()
			if err == nil {
				fmt.Fprintln(d.out, "ok")
			}
			return err
		}),
		restart,
		daemonCommand("ping", "Ask the broker for an answer", (*daemon).ping),
		daemonCommand("pid", "Print the process number of the broker", func(d *daemon) error {
			pid, err := d.pid()
			if err == nil {
				fmt.Fprintln(d.out, pid)
			}
			return err
		}),
	}
}

func daemonCommand(use, short string, do func(*daemon) error) *cobra.Command {
	var d daemon
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true}
	c.RunE = func(*cobra.Command, []string) (err error) {
		d.out, d.errOut = c.OutOrStdout(), c.ErrOrStderr()
		if d.config, _, err = load(d.errOut, d.file); err != nil {
			return err
		}
		if err = do(&d); err != nil && !errors.Is(err, errSaid) {
			fmt.Fprintln(d.errOut, err)
		}
		return err
	}
	configFlag(c, &d.file)
	return c
}

// foregroundCommand is what start runs in the background.
func foregroundCommand() *cobra.Command {
	var file string
	var detached bool
	c := &cobra.Command{
		Use: "foreground", Aliases: []string{"console"}, Short: "Run the broker in the foreground, as without a verb",
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return run(voice{c.OutOrStdout(), c.Root().Name() == "emqx"}, file, detached)
		},
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&detached, detachedFlag, false, "write the log to its file instead of the console")
	if err := c.Flags().MarkHidden(detachedFlag); err != nil {
		panic(err) // it was declared in the line above
	}
	return c
}

const detachedFlag = "detached"

// find opens the file that the broker holds and says who it is; without one
// running the error is notRunning. The caller closes the file.
func (d *daemon) find() (f *os.File, pid int, err error) {
	f, err = os.Open(pidFile(d.config.Node.DataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, notRunning(d.config.Node.Name)
	}
	if err != nil {
		return nil, 0, err
	}
	if pid, err = holder(f); err == nil && pid == 0 {
		err = notRunning(d.config.Node.Name)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, pid, nil
}

func (d *daemon) pid() (int, error) {
	f, pid, err := d.find()
	if err != nil {
		return 0, err
	}
	f.Close()
	return pid, nil
}

// ping asks at the broker's socket.
func (d *daemon) ping() error {
	r := newRemote(d.config.Node.Name, d.config.Node.DataDir)
	defer r.close()
	resp, err := r.client.Get("http://node/status")
	if err != nil {
		return r.unreachable(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("node %s answered with %s", r.name, resp.Status)
	}
	fmt.Fprintln(d.out, "pong")
	return nil
}

// How long starting and stopping may take by default, and how often it is
// looked whether they are done.
const (
	startTimeout = 15 * time.Second
	stopTimeout  = 120 * time.Second
	lookEvery    = 20 * time.Millisecond
)

// patience is the number of seconds that the first of the variables gives.
func patience(otherwise time.Duration, variables ...string) time.Duration {
	for _, name := range variables {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
			return time.Duration(n) * time.Second
		}
	}
	return otherwise
}

// start runs this program again in the background. It serves once it holds its
// file.
func (d *daemon) start() error {
	if _, err := d.pid(); err == nil {
		fmt.Fprintln(d.out, "Node is already running!")
		return errSaid
	} else if !errors.As(err, new(notRunning)) {
		return err
	}
	console, err := d.console()
	if err != nil {
		return err
	}
	defer console.Close()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(program, "foreground", "--"+detachedFlag, "--config", d.file)
	c.Args[0] = "dunlin" // whatever name this process has
	c.Stdout, c.Stderr = console, console
	detach(c)
	if err := c.Start(); err != nil {
		return err
	}
	err = d.await(c)
	if text, readErr := os.ReadFile(console.Name()); readErr == nil {
		fmt.Fprintf(d.out, "%s", text)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "%s is started successfully!\n", edition)
	return console.Truncate(0) // a first login has been shown, and mustn't stay
}

// console opens the file in the log directory that takes what the broker
// prints; the log has a file of its own.
func (d *daemon) console() (*os.File, error) {
	dir := d.config.Log.Dir
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("log.dir = %s: can't be used: %w", dir, err)
	}
	return os.OpenFile(filepath.Join(dir, "console.log"), os.O_APPEND|os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
}

// await waits until a broker serves. One that takes too long is left alone: it
// may still come.
func (d *daemon) await(c *exec.Cmd) error {
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	timeout := patience(startTimeout, "WAIT_FOR_ERLANG", "EMQX_WAIT_FOR_START", "DUNLIN_WAIT_FOR_START")
	late := time.After(timeout)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if pid, err := d.pid(); err == nil && pid == c.Process.Pid {
				return nil
			}
		case err := <-ended:
			return fmt.Errorf("%s failed to start: %v", edition, cmp.Or(err, errors.New("it has ended at once")))
		case <-late:
			return fmt.Errorf("%s failed to start within %v seconds,\nsee what it says with `dunlin console`, or let it take longer with WAIT_FOR_ERLANG=%v",
				edition, timeout.Seconds(), 2*timeout.Seconds())
		}
	}
}

// stop returns once the process has ended.
func (d *daemon) stop() error {
	f, pid, err := d.find()
	if err != nil {
		return err
	}
	defer f.Close()
	if err := askToStop(pid); err != nil {
		return fmt.Errorf("process %d can't be stopped: %w", pid, err)
	}
	timeout := patience(stopTimeout, "EMQX_WAIT_FOR_STOP", "DUNLIN_WAIT_FOR_STOP")
	for until := time.Now().Add(timeout); time.Now().Before(until); time.Sleep(lookEvery) {
		if now, err := holder(f); err != nil || now == 0 {
			return err
		}
	}
	fmt.Fprintf(d.out, "Stop failed, dangling after %v seconds\nERROR: %d is still around\n", timeout.Seconds(), pid)
	return errSaid
}

func (d *daemon) restart() error {
	if err := d.stop(); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "%s is stopped: ok\n", edition)
	return d.start()
}
