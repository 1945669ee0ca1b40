// Command dunlin is an MQTT broker, a drop-in replacement for EMQ X.
//
// Without arguments it runs the broker; check-config, version, bench and ctl
// are its other verbs. All it does itself is read the command line: the broker
// is built by package node, the load generator is package bench, and ctl asks
// package api in the broker that runs.
package main

import (
	"os"

	"github.com/spf13/cobra"
)

func main() {
	if err := command().Execute(); err != nil {
		os.Exit(1)
	}
}

// command is the command line as a tree.
func command() *cobra.Command {
	root := runCommand()
	root.AddCommand(checkCommand(), versionCommand(), benchCommand(), ctlCommand())
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}
