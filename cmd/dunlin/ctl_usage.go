package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Annotations of commands: one marks that of ctl, the other holds the verbs of
// a command in their order, which cobra doesn't keep.
const (
	ctlAnnotation   = "ctl"
	usageAnnotation = "usage"
)

// help is what a command does that has commands and was given none of them.
func help(c *cobra.Command, args []string) error {
	if err := c.Help(); err != nil || len(args) == 0 {
		return err
	}
	return errUsage
}

// ctlOf is the command ctl that c belongs to, or nil.
func ctlOf(c *cobra.Command) *cobra.Command {
	for ; c != nil; c = c.Parent() {
		if _, is := c.Annotations[ctlAnnotation]; is {
			return c
		}
	}
	return nil
}

// printUsages prints what all commands take, in the layout of EMQ X 4.
func printUsages(w io.Writer, name string, groups []*cobra.Command) {
	fmt.Fprintln(w, "Usage:", name)
	for _, c := range groups {
		fmt.Fprintf(w, "%s\n%s", strings.Repeat("-", 110), usageOf(c))
	}
}

// printUsage prints how commands are used, for who reads JSON as an object.
func printUsage(c *cobra.Command, asJSON bool, of ...*cobra.Command) error {
	w := c.OutOrStdout()
	switch {
	case !asJSON && c == ctlOf(c):
		printUsages(w, c.CommandPath(), of)
	case !asJSON:
		fmt.Fprint(w, usageOf(c))
	default:
		lines := []string{}
		for _, one := range of {
			for line := range strings.Lines(usageOf(one)) {
				lines = append(lines, strings.Join(strings.Fields(line), " "))
			}
		}
		return writeJSON(w, map[string]any{"message": errUsage.Error(), "usage": lines})
	}
	return nil
}

// usageOf is a line for each verb of a command.
func usageOf(c *cobra.Command) string {
	var text strings.Builder
	name := strings.TrimPrefix(c.CommandPath(), ctlOf(c).CommandPath()+" ")
	verbs, has := c.Annotations[usageAnnotation]
	if !has && !c.HasSubCommands() {
		verbs = "\t" + c.Short + "\n"
	}
	for line := range strings.Lines(verbs) {
		use, short, _ := strings.Cut(line, "\t")
		fmt.Fprintf(&text, "%-69s # %s", strings.TrimSpace(name+" "+use), short)
	}
	for _, below := range c.Commands() {
		if below.Annotations[usageAnnotation] != "" {
			text.WriteString(usageOf(below))
		}
	}
	return text.String()
}
