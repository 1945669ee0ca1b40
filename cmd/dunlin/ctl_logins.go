package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// hidden stands where EMQ X shows the secret of an app, of which there is only
// a hash here.
const hidden = "******"

// adminVerbs manage the users of the dashboard. A password that is lost is given
// anew by passwd, as whoever may use the socket needs no login.
func adminVerbs(where *place) *cobra.Command {
	one := func(args []string) string { return "/users/" + escape(args[0]) }
	ok := func(r *remote, err error) error {
		if err == nil {
			r.printf("ok\n")
		}
		return err
	}
	return verbs(where, "admins", "The users of the dashboard",
		verb{use: "list", short: "List the users with their roles; EMQ X has no such verb", run: func(r *remote, _ []string) error {
			rows, err := r.list("/users")
			for _, row := range rows {
				r.printf("%v, tags: %v\n", row["username"], row["tags"])
			}
			return err
		}},
		verb{use: "add <User> <Password> [<administrator|viewer>]", short: "Add a user, without a role an administrator; - reads the password from the input",
			run: func(r *remote, args []string) error {
				password, err := r.secret(args[1])
				if err != nil {
					return err
				}
				body := map[string]any{"username": args[0], "password": password}
				if len(args) > 2 {
					body["tags"] = args[2]
				}
				return ok(r, reworded(r.call("POST", "/users", body, nil), "Username Already Exist", "already existed"))
			}},
		verb{use: "passwd <User> <Password>", short: "Give a user another password, for example one that is lost; - reads it from the input",
			run: func(r *remote, args []string) error {
				password, err := r.secret(args[1])
				if err != nil {
					return err
				}
				return ok(r, r.call("PUT", one(args), map[string]any{"password": password}, nil))
			}},
		verb{use: "del <User>", alias: "delete", short: "Delete a user, unless it is the last administrator", run: func(r *remote, args []string) error {
			return ok(r, r.call("DELETE", one(args), nil, nil))
		}})
}

// reworded puts a refusal in the words that the command line has for it.
func reworded(err error, rest, words string) error {
	if refused := refusal(""); errors.As(err, &refused) && string(refused) == rest {
		return refusal(words)
	}
	return err
}

// appFields are what an app is shown with, in EMQ X's order.
var appFields = []string{"app_id", "secret", "name", "desc", "status", "expired"}

// mgmtVerbs manage the apps, which log in to the management API.
func mgmtVerbs(where *place) *cobra.Command {
	one := func(args []string) string { return "/apps/" + escape(args[0]) }
	return verbs(where, "mgmt", "The apps that log in to the management API",
		verb{use: "list", short: "List the apps", run: func(r *remote, _ []string) error {
			rows, err := r.list("/apps")
			for _, row := range rows {
				row["secret"] = hidden
				for i, field := range appFields {
					r.printf("%s%s: %s", map[bool]string{true: ", "}[i > 0], field, appField(row, field))
				}
				r.printf("\n")
			}
			return err
		}},
		verb{use: "insert <AppId> <Name>", short: "Add an app and print its secret, which is never shown again", run: func(r *remote, args []string) error {
			var made struct{ Secret string }
			err := r.call("POST", "/apps", map[string]any{"app_id": args[0], "name": args[1]}, &made)
			if err == nil {
				r.printf("AppSecret: %s\n", made.Secret)
			}
			return reworded(err, "already_existed", "already existed")
		}},
		verb{use: "update <AppId> <true|false>", short: "Say whether an app may log in", run: func(r *remote, args []string) error {
			if args[1] != "true" && args[1] != "false" {
				return errUsage
			}
			err := r.call("PUT", one(args), map[string]any{"status": args[1] == "true"}, nil)
			if err == nil {
				r.printf("update successfully.\n")
			}
			return reworded(err, "not_found", "app not found")
		}},
		verb{use: "lookup <AppId>", short: "Show an app", run: func(r *remote, args []string) error {
			var app map[string]any
			if err := r.get(one(args), &app); err != nil {
				return err
			}
			if len(app) == 0 {
				return sentence("Not Found.")
			}
			app["secret"] = hidden
			for _, field := range appFields {
				r.printf("%s: %s\n", field, appField(app, field))
			}
			return nil
		}},
		verb{use: "delete <AppId>", alias: "del", short: "Delete an app", run: func(r *remote, args []string) error {
			var app map[string]any
			if err := r.get(one(args), &app); err != nil {
				return err
			}
			if len(app) == 0 {
				return refusal("app not found")
			}
			err := r.call("DELETE", one(args), nil, nil)
			if err == nil {
				r.printf("ok\n")
			}
			return err
		}})
}

// appField is a member of an app as EMQ X prints it: the end in Unix seconds.
func appField(app map[string]any, name string) string {
	if seconds, is := app[name].(float64); is {
		return fmt.Sprintf("%.0f", seconds)
	}
	return fmt.Sprint(app[name])
}
