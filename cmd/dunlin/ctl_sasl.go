package main

import (
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// saslVerbs manage the users of enhanced authentication.
func saslVerbs(where *place) *cobra.Command {
	c := &cobra.Command{Use: "sasl", Short: "Users of enhanced authentication", RunE: help}
	mechanism := "SCRAM-SHA-256"
	flags := func(f *pflag.FlagSet) {
		f.StringVar(&mechanism, "mechanism", mechanism, "SCRAM-SHA-256 or SCRAM-SHA-512")
	}
	put := func(method string) func(*remote, []string) error {
		return func(r *remote, args []string) error {
			password, err := r.secret(args[1])
			if err != nil {
				return err
			}
			body := map[string]any{"mechanism": mechanism, "username": args[0], "password": password}
			if len(args) > 2 {
				body["salt"] = args[2]
			}
			if len(args) > 3 {
				if body["iteration_count"], err = strconv.Atoi(args[3]); err != nil {
					return errUsage
				}
			}
			if err := r.call(method, "/sasl", body, nil); err != nil {
				return err
			}
			r.printf("ok\n")
			return nil
		}
	}
	at := func(username string) string {
		return "/sasl?" + url.Values{"mechanism": {mechanism}, "username": {username}}.Encode()
	}
	c.AddCommand(verbs(where, "scram", "Users of SCRAM",
		verb{use: "add <Username> <Password> [<Salt>] [<IterationCount>]", short: "Add a user; - reads the password from the input",
			flags: flags, run: put("POST")},
		verb{use: "update <Username> <Password> [<Salt>] [<IterationCount>]", short: "Give a user another password",
			flags: flags, run: put("PUT")},
		verb{use: "delete <Username>", alias: "del", short: "Delete a user", flags: flags, run: func(r *remote, args []string) error {
			if err := r.call("DELETE", at(args[0]), nil, nil); err != nil {
				return err
			}
			r.printf("ok\n")
			return nil
		}},
		verb{use: "lookup <Username>", short: "Show what is kept of a user", flags: flags, run: func(r *remote, args []string) error {
			var user map[string]any
			err := r.get(at(args[0]), &user)
			for _, key := range []string{"username", "stored_key", "server_key", "salt", "iteration_count"} {
				if v, ok := user[key]; ok {
					r.printf("%s: %v\n", key, v)
				}
			}
			return err
		}}))
	return c
}
