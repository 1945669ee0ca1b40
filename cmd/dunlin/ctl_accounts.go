package main

import "github.com/spf13/cobra"

// accountVerbs manage the built-in users by user name or by client id, which
// parameter names; route is where they are. The commands are called like EMQ
// X's: users (3.x), user and clientid (4.x).
func accountVerbs(where *place, name, alias, route, parameter string) *cobra.Command {
	one := func(args []string) string { return "/" + route + "/" + escape(args[0]) }
	put := func(r *remote, method, path string, body map[string]any, password string) error {
		var err error
		if body["password"], err = r.secret(password); err != nil {
			return err
		}
		if err := r.call(method, path, body, nil); err != nil {
			return err
		}
		r.printf("ok\n")
		return nil
	}
	word := map[string]string{"username": "<Username>", "clientid": "<ClientId>"}[parameter]
	c := verbs(where, name, "Built-in users by "+parameter,
		verb{use: "list", short: "List the users", run: func(r *remote, _ []string) error {
			rows, err := r.list("/" + route)
			for _, row := range rows {
				r.printf("%v\n", row[parameter])
			}
			return err
		}},
		verb{use: "add " + word + " <Password>", short: "Add a user; - reads the password from the input", run: func(r *remote, args []string) error {
			return put(r, "POST", "/"+route, map[string]any{parameter: args[0]}, args[1])
		}},
		verb{use: "update " + word + " <NewPassword>", short: "Give a user another password", run: func(r *remote, args []string) error {
			return put(r, "PUT", one(args), map[string]any{}, args[1])
		}},
		verb{use: "del " + word, alias: "delete", short: "Delete a user", run: func(r *remote, args []string) error {
			if err := r.call("DELETE", one(args), nil, nil); err != nil {
				return err
			}
			r.printf("ok\n")
			return nil
		}})
	if alias != "" {
		c.Aliases = []string{alias}
	}
	return c
}
