// Command dunlin is an MQTT broker, a drop-in replacement for EMQ X.
//
// Without arguments it runs the broker; start, stop and the like run it in the
// background, and check-config, version, bench, import and ctl are its other
// verbs. Called emqx or emqx_ctl it behaves as those scripts of EMQ X. All it does
// itself is read the command line: the broker is built by package node, the
// load generator is package bench, and ctl asks package api in the broker that
// runs.
package main

import (
	"os"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(exitCode(called(os.Args[0]).ExecuteC()))
}

// command is the command line as a tree.
func command() *cobra.Command {
	root := runCommand()
	root.AddCommand(daemonCommands()...)
	check := checkCommand(func(string) string { return "The configuration is valid." })
	root.AddCommand(check, versionCommand(), benchCommand(), importCommand(), ctlCommand("ctl"))
	return root
}
