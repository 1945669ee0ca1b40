package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/node"
)

// runCommand runs the broker in the foreground until SIGTERM or SIGINT.
func runCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "dunlin",
		Short: "Dunlin is an MQTT broker, a drop-in replacement for EMQ X",
		Long: "Dunlin is an MQTT broker, a drop-in replacement for EMQ X.\n\n" +
			"Without a verb it runs the broker. Without a configuration it listens on this machine only.",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(c *cobra.Command, _ []string) error { return run(voice{out: c.OutOrStdout()}, file, false) },
	}
	configFlag(c, &file)
	return c
}

// configFlag gives a command the flag --config, for which DUNLIN_CONFIG stands
// in.
func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVarP(file, "config", "c", os.Getenv("DUNLIN_CONFIG"), "the emqx.conf to read; its folder's plugins/*.conf are read too (also: DUNLIN_CONFIG)")
}

// load reads the configuration and prints what is wrong with it.
func load(stderr io.Writer, file string) (*node.Config, *config.Report, error) {
	c, report, err := node.LoadConfig(file, os.Environ())
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		fmt.Fprintf(stderr, "The configuration has errors:\n%s\n", indent(err.Error()))
	}
	return c, report, err
}

// run is the broker from its start to its end. One that is detached has no
// console to write its log to; what it says beside the log is in the words of v.
func run(v voice, file string, detached bool) error {
	c, report, err := load(os.Stderr, file)
	if err != nil {
		return err
	}
	if detached && c.Log.To != "off" {
		c.Log.To = "file"
	}
	log, err := c.Log.Open(os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return err
	}
	defer log.Close()
	slog.SetDefault(log.Logger) // where package hook tells of functions that panicked
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) // before anybody can connect: they are told of the stop
	waiting, done := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer done()
	n, err := node.StartContext(waiting, c, log.Logger)
	if errors.Is(err, context.Canceled) {
		return nil // stopped while it waited for other nodes
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "Dunlin can't start:", err)
		return err
	}
	v.greet(n, report, file)
	pid, err := holdPIDFile(c.Node.DataDir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		n.Stop()
		return err
	}
	defer pid.Close()
	serve(n, log, signals)
	v.stopping()
	listeners := n.Server.Listeners()
	n.Stop()
	v.stopped(listeners)
	if err := os.Remove(pid.Name()); err != nil {
		log.Warn("the file with the process number is not removed", "err", err)
	}
	return nil
}

// serve returns when a signal ends the process.
func serve(n *node.Node, log *node.Log, signals <-chan os.Signal) {
	for sig := range signals {
		if sig != syscall.SIGHUP {
			break
		}
		log.Reopen()
		if err := n.ReloadCertificates(); err != nil {
			log.Error("certificates are not reloaded; those in use stay", "err", err)
		} else {
			log.Info("certificates are reloaded")
		}
		if err := n.ReloadRules(); err != nil {
			log.Error("the rules of access are not reloaded; those in use stay", "err", err)
		} else {
			log.Info("the rules of access are reloaded")
		}
	}
}
