package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// What a shell that completes a command line waits for at most, and how many
// names it is given.
const (
	completionTimeout = 2 * time.Second
	completionRows    = 100
)

// completion completes the arguments of a verb by what its use calls them: the
// words of <a|b>, files for <File>, and for some names what the broker has.
// Nothing is said when it doesn't run.
func completion(where *place, use string) cobra.CompletionFunc {
	placeholders := strings.Fields(use)
	if len(placeholders) > 0 {
		placeholders = placeholders[1:]
	}
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(placeholders) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		name := strings.Trim(placeholders[len(args)], "<>[]")
		if name == "File" {
			return nil, cobra.ShellCompDirectiveDefault
		}
		var words []string
		for word := range strings.SplitSeq(name, "|") {
			if source, ok := completionSources[word]; ok {
				words = append(words, source.names(c, where, begun)...)
			} else if strings.ToLower(word) == word {
				words = append(words, word)
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// source is a list of the broker, and which member of a row is the name.
type source struct {
	path, member string
	below        string // the member of each node's row that holds the list; empty: the rows are it
}

// completionSources are what the verbs call by these names. The first asks for
// names that contain what has been typed.
var completionSources = map[string]source{
	"ClientId":   {"/clients?_limit=%d&_like_clientid=%s", "clientid", ""},
	"Topic":      {"/routes?_limit=%d", "topic", ""},
	"Identifier": {"/listeners", "identifier", "listeners"},
	"Plugin":     {"/plugins", "name", "plugins"},
	"Module":     {"/modules", "name", "modules"},
	"Node":       {"/brokers", "node", ""},
	"AppId":      {"/apps", "app_id", ""},
	"User":       {"/users", "username", ""},
}

// names asks the broker.
func (s source) names(c *cobra.Command, where *place, begun string) (all []string) {
	r, err := connect(c, where)
	if err != nil {
		return nil
	}
	defer r.close()
	r.client.Timeout = completionTimeout
	path := s.path
	switch strings.Count(path, "%") {
	case 1:
		path = fmt.Sprintf(path, completionRows)
	case 2:
		path = fmt.Sprintf(path, completionRows, url.QueryEscape(begun))
	}
	var rows []map[string]any
	if err := r.get(path, &rows); err != nil {
		return nil
	}
	if s.below != "" {
		rows = below(rows, s.below)
	}
	for _, row := range rows {
		if name, ok := row[s.member].(string); ok && strings.HasPrefix(name, begun) {
			all = append(all, name)
		}
	}
	return all
}

// below are the rows that stand in a member of each row.
func below(nodes []map[string]any, member string) (rows []map[string]any) {
	for _, n := range nodes {
		some, _ := n[member].([]any)
		for _, one := range some {
			if row, ok := one.(map[string]any); ok {
				rows = append(rows, row)
			}
		}
	}
	return rows
}
