package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// aclVerbs manage the built-in ACL rules, what connections remember of them,
// and the rule file.
func aclVerbs(where *place) *cobra.Command {
	var test aclTestFlags
	return verbs(where, "acl", "ACL rules and caches",
		verb{use: "list [clientid|username|_all]", short: "List the built-in rules", run: listRules},
		verb{use: "show <clientid|username> <Name>", short: "List the rules for one name", run: func(r *remote, args []string) error {
			if !slices.Contains(ruleKinds[:2], args[0]) {
				return errUsage
			}
			var rows []map[string]any
			err := r.get("/acl/"+args[0]+"/"+escape(args[1]), &rows)
			printRules(r, rows)
			return err
		}},
		verb{use: "add <clientid|username|_all> [<Name>] <Topic> <pub|sub|pubsub> <allow|deny>", short: "Add a rule, for all without a name", run: addRule},
		verb{use: "delete <clientid|username|_all> [<Name>] <Topic>", alias: "del", short: "Delete the rules for a topic", run: deleteRule},
		verb{use: "cache-clean <all|node|ClientId> [<Node>]", short: "Empty the ACL caches of all, of a node, of a client", run: cleanCache},
		verb{use: "test <ClientId> <publish|subscribe> <Topic>", short: "Ask whether a client may, and which rule says so", flags: test.declare, run: test.run},
		verb{use: "reload", own: true, short: "Read the rule file again", run: func(r *remote, _ []string) error {
			if err := r.call("PUT", "/modules/emqx_mod_acl_internal/reload", nil, nil); err != nil {
				return err
			}
			r.printf("ok\n")
			return nil
		}})
}

// ruleKinds are whom rules are about; the last has no name.
var ruleKinds = [...]string{"clientid", "username", "_all"}

// ruleRoute is where the rules of a kind are.
func ruleRoute(kind string) string { return "/acl/" + strings.Replace(kind, "_all", "$all", 1) }

func listRules(r *remote, args []string) error {
	kinds := ruleKinds[:]
	if len(args) == 1 {
		kinds = args
	}
	for _, kind := range kinds {
		if !slices.Contains(ruleKinds[:], kind) {
			return errUsage
		}
		rows, err := r.list(ruleRoute(kind))
		if err != nil {
			return err
		}
		printRules(r, rows)
	}
	return nil
}

// printRules prints rules as EMQ X does, Erlang's quotes and all.
func printRules(r *remote, rows []map[string]any) {
	for _, row := range rows {
		who := "$all"
		for _, kind := range ruleKinds[:2] {
			if name, ok := row[kind]; ok {
				who = kind + " = " + binary(name)
			}
		}
		r.printf("Acl(%s topic = %s action = %v access = %v)\n", who, binary(row["topic"]), row["action"], row["access"])
	}
}

// binary writes a text as Erlang writes a binary.
func binary(text any) string {
	return `<<"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(fmt.Sprint(text)) + `">>`
}

// subject takes whom a rule is about off the arguments.
func subject(args []string, more int) (kind, name string, rest []string, err error) {
	switch {
	case args[0] == "_all" && len(args) == 1+more:
		return args[0], "", args[1:], nil
	case slices.Contains(ruleKinds[:2], args[0]) && len(args) == 2+more:
		return args[0], args[1], args[2:], nil
	}
	return "", "", nil, errUsage
}

func addRule(r *remote, args []string) error {
	kind, name, rest, err := subject(args, 3)
	if err != nil {
		return err
	}
	rule := map[string]any{"topic": rest[0], "action": rest[1], "access": rest[2]}
	if kind != "_all" {
		rule[kind] = name
	}
	if err := r.call("POST", "/acl", rule, nil); err != nil {
		return err
	}
	r.printf("ok\n")
	return nil
}

func deleteRule(r *remote, args []string) error {
	kind, name, rest, err := subject(args, 1)
	if err != nil {
		return err
	}
	path := ruleRoute(kind)
	if kind != "_all" {
		path += "/" + escape(name)
	}
	if err := r.call("DELETE", path+"/topic/"+escape(rest[0]), nil, nil); err != nil {
		return err
	}
	r.printf("ok\n")
	return nil
}

func cleanCache(r *remote, args []string) error {
	path, said := "/acl-cache", "ACL cache drain start OK\n"
	switch {
	case len(args) == 2 && args[0] == "node":
		path = "/nodes/" + escape(args[1]) + "/acl-cache"
	case len(args) == 2:
		return errUsage
	case args[0] != "all":
		path, said = "/clients/"+escape(args[0])+"/acl_cache", "" // EMQ X says nothing about a client
	}
	err := r.call("DELETE", path, nil, nil)
	if err == nil {
		r.printf("%s", said)
	} else if said != "" {
		r.printf("ACL cache drain start FAILED\n")
	}
	return err
}
