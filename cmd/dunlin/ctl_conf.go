package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// confVerbs show and change the configuration of the broker that runs. EMQ X 3
// and 4 have no such command.
func confVerbs(where *place) *cobra.Command {
	var origin, changed bool
	return verbs(where, "conf", "The configuration that is in force",
		verb{use: "show [<Key>]", short: "Show all keys, or those that begin with <Key>", run: func(r *remote, args []string) error {
			return showConf(r, args, origin, changed)
		}, flags: func(f *pflag.FlagSet) {
			f.BoolVar(&origin, "origin", false, "with where each value comes from: default, the line of a file, a variable")
			f.BoolVar(&changed, "changed", false, "only what is not the default")
		}},
		verb{use: "set <Key> <Value>", short: "Change a key that can change while the broker runs; it holds over a restart", run: setConf},
		verb{use: "reset <Key>", short: "End what set has made of a key", run: resetConf})
}

// confValue is a row of GET /configs.
type confValue struct{ Key, Value, Default, Origin, Where, Type, Doc string }

func showConf(r *remote, args []string, origin, changed bool) error {
	path := "/configs?changed=" + fmt.Sprint(changed)
	if len(args) > 0 {
		path += "&_like_key=" + url.QueryEscape(args[0])
	}
	var all []confValue
	if err := r.listInto(path, &all); err != nil {
		return err
	}
	shown := 0
	for _, v := range all {
		if len(args) > 0 && v.Key != args[0] && !strings.HasPrefix(v.Key, strings.TrimSuffix(args[0], ".")+".") {
			continue
		}
		shown++
		from := ""
		if origin {
			from = "  # " + v.Origin
			if v.Where != "" {
				from = "  # " + strings.TrimPrefix(v.Origin+" ", "file ") + v.Where
			}
		}
		r.printf("%s%s\n", strings.TrimSpace(v.Key+" = "+v.Value), from)
	}
	if shown == 0 && !changed {
		return errors.New("there is no key that is or begins with " + args[0])
	}
	return nil
}

func setConf(r *remote, args []string) error {
	if err := r.call("PUT", "/configs", map[string]string{args[0]: args[1]}, nil); err != nil {
		return err
	}
	r.printf("ok\n")
	return nil
}

func resetConf(r *remote, args []string) error {
	if err := r.call("DELETE", "/configs/"+escape(args[0]), nil, nil); err != nil {
		return err
	}
	r.printf("ok\n")
	return nil
}
