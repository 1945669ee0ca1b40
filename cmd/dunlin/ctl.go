package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dunlin-mq/dunlin/node"
)

// ctlCommand asks and changes the broker that runs, as emqx_ctl does; name is
// what it is called. All it does goes through the REST routes, on the socket in
// the data directory.
func ctlCommand(name string) *cobra.Command {
	var where place
	c := &cobra.Command{
		Use:   name,
		Short: "Ask and change the broker that runs here",
		Long: "Ask and change the broker that runs here, through the socket in its data directory:\n" +
			"whoever may use that file needs no login.",
		Args:         cobra.ArbitraryArgs,
		SilenceUsage: true,
		Annotations:  map[string]string{ctlAnnotation: ""},
	}
	where.flags(c.PersistentFlags())
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		fmt.Fprintln(c.ErrOrStderr(), err)
		return err
	})
	groups := []*cobra.Command{
		statusVerb(&where), brokerVerbs(&where), clusterVerbs(&where), clientVerbs(&where), sessionVerbs(&where), routeVerbs(&where, "routes"),
		routeVerbs(&where, "topics"), subscriptionVerbs(&where), pluginVerbs(&where), moduleVerbs(&where), listenerVerbs(&where),
		vmVerbs(&where), aclVerbs(&where), bannedVerbs(&where), accountVerbs(&where, "users", "user", "auth_username", "username"),
		accountVerbs(&where, "clientid", "", "auth_clientid", "clientid"), saslVerbs(&where), alarmVerbs(&where), logVerbs(&where),
		dataVerbs(&where),
	}
	c.AddCommand(groups...)
	c.RunE = func(c *cobra.Command, args []string) error {
		printUsages(c.OutOrStdout(), c.CommandPath(), groups)
		if len(args) > 0 {
			return errUsage
		}
		return nil
	}
	return c
}

// place says which broker is meant, and how to print what it says.
type place struct {
	config, dataDir string
	json            bool
}

func (p *place) flags(f *pflag.FlagSet) {
	f.StringVarP(&p.config, "config", "c", os.Getenv("DUNLIN_CONFIG"), "the configuration the broker runs with (also: DUNLIN_CONFIG)")
	f.StringVar(&p.dataDir, "data-dir", "", "the broker's data directory (default: node.data_dir of the configuration)")
	f.BoolVar(&p.json, "json", false, "print the answer as JSON")
}

// find returns the name and the data directory of the broker that is meant.
func (p *place) find(stderr io.Writer) (name, dataDir string, err error) {
	if p.dataDir == "" {
		c, _, err := load(stderr, p.config)
		if err != nil {
			return "", "", err
		}
		return c.Node.Name, c.Node.DataDir, nil
	}
	if c, _, err := node.LoadConfig(p.config, os.Environ()); err == nil {
		name = c.Node.Name
	}
	return cmp.Or(name, p.dataDir), p.dataDir, nil
}

// verb is one thing a command can do.
type verb struct {
	use   string // its word and arguments: add <Username> <Password> [<Note>]
	short string
	alias string
	flags func(*pflag.FlagSet)
	run   func(r *remote, args []string) error
}

// errUsage is returned by a verb that can't make sense of its arguments.
var errUsage = errors.New("wrong arguments")

// errSaid is returned once what was wrong has been printed.
var errSaid = errors.New("refused")

// verbs makes the command that has these verbs; one without a word is what the
// command does without arguments. With arguments that none of them takes it
// prints how they are used, like EMQ X.
func verbs(where *place, name, short string, all ...verb) *cobra.Command {
	group := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs, Annotations: make(map[string]string)}
	usage := func() error {
		fmt.Fprint(group.OutOrStdout(), usageOf(group))
		return errUsage
	}
	group.RunE = func(*cobra.Command, []string) error { return usage() }
	for _, v := range all {
		group.Annotations[usageAnnotation] += fmt.Sprintf("%s\t%s\n", v.use, v.short)
		c := group
		if v.use != "" {
			c = &cobra.Command{Use: v.use, Short: v.short}
			group.AddCommand(c)
		}
		if v.alias != "" {
			c.Aliases = []string{v.alias}
		}
		if v.flags != nil {
			v.flags(c.Flags())
		}
		c.RunE = func(c *cobra.Command, args []string) error {
			n := strings.Count(v.use, " <")
			if len(args) < n || len(args) > n+strings.Count(v.use, " [") || slices.Contains(args, "") {
				return usage() // an empty argument is somebody's empty variable
			}
			r, err := connect(c, where)
			if err != nil {
				return err
			}
			defer r.close()
			if err = v.run(r, args); errors.Is(err, errUsage) {
				return usage()
			}
			return r.say(err)
		}
	}
	return group
}

// statusVerb says that the broker runs, what is wrong, and what to do.
func statusVerb(where *place) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say whether the broker runs", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := connect(c, where)
			if err != nil {
				return err
			}
			defer r.close()
			var brokers []struct{ Node, Version string }
			err = r.get("/brokers", &brokers)
			for _, b := range brokers {
				r.printf("Node '%s' %s is started\n", b.Node, b.Version)
			}
			if err == nil {
				err = r.health()
			}
			return r.say(err)
		},
	}
}

// health prints what is wrong.
func (r *remote) health() error {
	var h struct {
		Warnings []string
		Backends []struct {
			Name, Error   string
			Up            bool
			Since         int64
			Waiting, Busy int
		}
	}
	if err := r.get("/health", &h); err != nil {
		return err
	}
	for _, b := range h.Backends {
		state := "is asked"
		if !b.Up {
			state = "doesn't answer: " + b.Error + "; clients are refused, or left to others by on_error = ignore,"
		}
		r.printf("auth.%s %s since %s; %d wait, %d are asked about\n", b.Name, state, time.Unix(b.Since, 0).Format(time.DateTime), b.Waiting, b.Busy)
	}
	for _, warning := range h.Warnings {
		r.printf("WARNING: %s\n", warning)
	}
	return nil
}
