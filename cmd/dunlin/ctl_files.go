package main

import "github.com/spf13/cobra"

// pemVerbs are EMQ X's. There it is a cache; here the files are read again.
func pemVerbs(where *place) *cobra.Command {
	return verbs(where, "pem_cache", "Certificates",
		verb{use: "clean <all|node> [<Node>]", short: "Read the certificates of all listeners again", run: func(r *remote, args []string) error {
			path := "/pem_cache"
			switch {
			case args[0] == "node" && len(args) == 2:
				path = "/nodes/" + escape(args[1]) + path
			case args[0] != "all" || len(args) == 2:
				return errUsage
			}
			err := r.call("DELETE", path, nil, nil)
			if err == nil {
				r.printf("PEM cache clean OK\n")
			}
			return err
		}})
}

// mnesiaVerb is EMQ X's report of its database; here of the file that stands
// for it.
func mnesiaVerb(where *place) *cobra.Command {
	return ownVerbs(where, "mnesia", "The store",
		verb{short: "Show what the store of the node holds", run: func(r *remote, _ []string) error {
			var s struct {
				File string
				Size int64
				Maps []struct {
					Name    string
					Records int
					Bytes   int64
				}
			}
			if err := r.get("/store", &s); err != nil {
				return err
			}
			r.printf("===> %s, %d bytes\n", s.File, s.Size)
			for _, m := range s.Maps {
				r.printf("%-16s: with %-8d records occupying %-10d bytes\n", m.Name, m.Records, m.Bytes)
			}
			return nil
		}})
}
