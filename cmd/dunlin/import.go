package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dunlin-mq/dunlin/backup"
	"github.com/dunlin-mq/dunlin/node"
)

// importCommand takes over an export of EMQ X, whether the broker runs or not.
func importCommand() *cobra.Command {
	var where place
	var o importOptions
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Import a data export of EMQ X 4: accounts, ACL rules, bans and logins",
		Long: "Import a data export of EMQ X 4, or of Dunlin: accounts, ACL rules, bans, apps and dashboard users.\n\n" +
			"The broker may run: then it imports the file itself. Otherwise its data directory is opened.",
		Args:         cobra.ExactArgs(1),
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(c *cobra.Command, args []string) error {
			r, err := connect(c, &where)
			if err != nil {
				return err
			}
			defer r.close()
			err = r.importFile(args[0], &o)
			if running := notRunning(""); !errors.As(err, &running) {
				return r.say(err)
			}
			return r.say(importStopped(r, &where, args[0], &o))
		},
	}
	where.flags(c.Flags())
	o.flags(c.Flags())
	return c
}

// importStopped imports into the data directory of a broker that doesn't run.
func importStopped(r *remote, where *place, path string, o *importOptions) (err error) {
	config, _, err := load(r.errOut, where.config)
	if err != nil {
		return errSaid
	}
	if where.dataDir != "" {
		config.Node.DataDir = where.dataDir
	}
	text, err := readExport(path, r.exports())
	if err != nil {
		return importFailed(path, &answer{Message: wordOf(err)})
	}
	d, err := backup.Read(text, []byte(o.env))
	switch {
	case errors.Is(err, backup.ErrVersion):
		return importFailed(path, &answer{Message: "unsupported_version", Reason: err.Error()})
	case errors.Is(err, backup.ErrNoJSON):
		return importFailed(path, &answer{Message: "bad_json"})
	case err != nil:
		return importFailed(path, &answer{Message: "import_failed", Reason: err.Error()})
	}
	kept, err := node.OpenData(config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	report, err := kept.Import(context.Background(), d, o.dry)
	if err != nil {
		return importFailed(path, &answer{Message: "import_failed", Reason: err.Error()})
	}
	if r.shown = report; r.json {
		return nil
	}
	fmt.Fprintf(r.out, "Node %s does not run: into %s\n", config.Node.Name, config.Node.DataDir)
	printReport(r.out, report)
	return nil
}
