package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// Exit codes of Main.
const (
	exitOK     = 0
	exitFailed = 1 // the run did not come to anything
	exitUsage  = 2 // the command line makes no sense
)

// Main runs `dunlin bench` with the arguments that follow these two words and
// returns the exit code. It blocks until the run is over; SIGINT and SIGTERM
// end it early, with its summary, and a second one at once.
func Main(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" {
		fmt.Fprint(stdout, usage())
		return exitOK
	}
	if _, known := verbs[args[0]]; !known {
		fmt.Fprintf(stderr, "dunlin bench: expected one of %s, got %q\n", strings.Join(verbNames(), ", "), args[0])
		return exitUsage
	}
	o, err := parse(args[0], args[1:], stdout)
	if errors.Is(err, pflag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		complain(stderr, args[0], err)
		return exitUsage
	}
	if err := execute(o, stdout, stderr); err != nil {
		complain(stderr, args[0], err)
		return exitFailed
	}
	return exitOK
}

func execute(o *options, stdout, stderr io.Writer) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	context.AfterFunc(ctx, cancel) // a second signal finds its default again
	rep := newReporter(o, stdout, stderr)
	r, err := newRun(o, rep)
	if err != nil {
		return err
	}
	res, err := r.play(ctx)
	if err != nil {
		return err
	}
	if err := rep.finish(o, res); err != nil {
		return err
	}
	if len(r.stats.connect) == 0 {
		return fmt.Errorf("no connection to %s was accepted: %s", o.addresses(), mostCommon(r.stats.refused))
	}
	return nil
}

func mostCommon(by map[string]uint64) string {
	best := "stopped before"
	for why, n := range by {
		if n > by[best] || n == by[best] && why < best {
			best = why
		}
	}
	return best
}

func complain(stderr io.Writer, verb string, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "dunlin bench %s: %s\n", verb, strings.TrimSuffix(line, "\n"))
	}
}

func verbNames() []string { return slices.Sorted(maps.Keys(verbs)) }

func usage() string {
	var b strings.Builder
	b.WriteString("dunlin bench puts load on an MQTT broker and says how it does.\n\n")
	for _, name := range verbNames() {
		fmt.Fprintf(&b, "  dunlin bench %-10s %s\n", name, verbs[name].help)
	}
	b.WriteString("\ndunlin bench VERB --help lists the flags.\n")
	return b.String()
}
