package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/dunlin-mq/dunlin/bench"
)

// benchCommand is the load generator, which reads its own arguments.
func benchCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "bench conn|pub|sub|roundtrip [flags]",
		Short:              "Put load on a broker and measure it",
		DisableFlagParsing: true,
		Run: func(c *cobra.Command, args []string) {
			os.Exit(bench.Main(args, c.OutOrStdout(), c.ErrOrStderr()))
		},
	}
}
