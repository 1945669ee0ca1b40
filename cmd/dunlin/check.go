package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// checkCommand reads a configuration as the start would and says what it
// found; valid is the sentence about a file, which may be empty, without errors.
func checkCommand(valid func(file string) string) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:           "check-config",
		Aliases:       []string{"check_conf", "check_config"},
		Short:         "Read the configuration, say what is wrong with it and what has no effect",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			_, report, err := load(c.ErrOrStderr(), file)
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			for _, i := range report.NoEffect {
				fmt.Fprintf(out, "no effect: %s = %s (%s): %s\n", i.Key, i.Value, i.Origin, i.Reason)
			}
			for _, why := range report.Refused {
				fmt.Fprintln(out, why)
			}
			for _, u := range report.Unknown {
				fmt.Fprintf(out, "ignored: %s is no key of this program\n", u.Origin)
			}
			fmt.Fprintln(out, valid(file))
			return nil
		},
	}
	configFlag(c, &file)
	return c
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
