package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dunlin-mq/dunlin/node"
)

// called is the command line by the name under which the program is called:
// links with the names of EMQ X's scripts behave as those do.
func called(program string) *cobra.Command {
	switch strings.TrimSuffix(filepath.Base(program), ".exe") {
	case "emqx":
		return emqxCommand()
	case "emqx_ctl":
		c := ctlCommand("emqx_ctl")
		c.SilenceErrors = true
		c.CompletionOptions.HiddenDefaultCmd = true
		return c
	}
	return command()
}

// exitCode is that of the process. EMQ X's command line counts only a node
// that can't be asked, or an unknown command, as a failure.
func exitCode(c *cobra.Command, err error) int {
	root := c.Root().Name()
	if ctl := ctlOf(c); err == nil || ctl != nil && root != "dunlin" && c != ctl && (errors.Is(err, errSaid) || errors.Is(err, errUsage)) {
		return 0
	}
	return 1
}

// emqxCommand is the script emqx.
func emqxCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "emqx", Short: "Start, stop and ask " + edition + ", called as EMQ X is",
		Args: cobra.ArbitraryArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error { return errors.Join(c.Help(), errUsage) },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	check := checkCommand(func(file string) string { return cmp.Or(file, "the built-in configuration") + " is ok" })
	check.Use, check.Aliases = "check_conf", nil
	root.AddCommand(daemonCommands()...)
	root.AddCommand(ctlCommand("ctl"), check, versionsCommand(), erlangCommand())
	return root
}

func versionsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "versions", Short: "Print which versions are installed: this one", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			fmt.Fprintf(c.OutOrStdout(), "Installed versions:\n* %s\tpermanent\n", node.Version)
		},
	}
}

// erlangCommand stands for the verbs that mean the runtime of EMQ X.
func erlangCommand() *cobra.Command {
	return &cobra.Command{
		Use: "attach", Hidden: true, DisableFlagParsing: true,
		Aliases: []string{"remote_console", "console_clean", "console_boot", "start_boot", "eval", "rpc", "rpcterms", "ertspath", "escript",
			"root_dir", "upgrade", "downgrade", "install", "unpack", "uninstall"},
		RunE: func(c *cobra.Command, _ []string) error {
			fmt.Fprintf(c.ErrOrStderr(), "emqx %s is about the Erlang runtime, which Dunlin does without\n", c.CalledAs())
			return errSaid
		},
	}
}
