package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

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
	if err := c.MarkPersistentFlagDirname("data-dir"); err != nil {
		panic(err) // flags has declared it
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		fmt.Fprintln(c.ErrOrStderr(), err)
		return err
	})
	groups := []*cobra.Command{
		statusVerb(&where), brokerVerbs(&where), clusterVerbs(&where), rebalanceVerbs(&where), clientVerbs(&where), sessionVerbs(&where), routeVerbs(&where, "routes"),
		routeVerbs(&where, "topics"), subscriptionVerbs(&where), pluginVerbs(&where), moduleVerbs(&where), listenerVerbs(&where),
		vmVerbs(&where), aclVerbs(&where), bannedVerbs(&where), accountVerbs(&where, "users", "user", "auth_username", "username"),
		accountVerbs(&where, "clientid", "", "auth_clientid", "clientid"), saslVerbs(&where), alarmVerbs(&where), logVerbs(&where),
		accountingVerbs(&where), traceVerbs(&where), namedTraceVerbs(&where),
		dataVerbs(&where), confVerbs(&where), retainerVerbs(&where), mnesiaVerb(&where), pemVerbs(&where),
		telemetryVerbs(&where), licenseVerbs(&where), adminVerbs(&where), mgmtVerbs(&where),
	}
	groups = append(groups, absentCommands(&where)...)
	c.AddCommand(groups...)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := printUsage(c, where.json, groups...); err != nil || len(args) == 0 {
			return err
		}
		return errUsage
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
	own   bool // only the node that is asked answers; else all of its cluster
	run   func(r *remote, args []string) error
}

// ownVerbs are verbs that are about one node.
func ownVerbs(where *place, name, short string, all ...verb) *cobra.Command {
	for i := range all {
		all[i].own = true
	}
	return verbs(where, name, short, all...)
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
		return errors.Join(printUsage(group, where.json, group), errUsage)
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
		c.ValidArgsFunction = completion(where, v.use)
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
			r.own = v.own
			if err = v.run(r, args); errors.Is(err, errUsage) {
				return usage()
			}
			return r.say(err)
		}
	}
	return group
}
