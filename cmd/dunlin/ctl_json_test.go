package main

import (
	"bufio"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/dunlin-mq/dunlin/node"
)

// ctlWords stand in for what verbs call their arguments, in TestJSONOfAllVerbs.
var ctlWords = map[string]string{
	"ClientId": "c1", "Topic": "t", "TopicFilter": "t/#", "QoS": "1", "Qos": "1", "Node": "dunlin@127.0.0.1", "Level": "warning", "HandlerId": "console",
	"Identifier": "mqtt:tcp:external", "Port": "1883", "Plugin": "emqx_retainer", "Module": "emqx_mod_presence", "Name": "n", "Who": "w",
	"Username": "u", "Password": "a long password", "NewPassword": "a longer password", "User": "u", "Tags": "viewer", "AppId": "app", "AppSecret": "s",
	"Status": "true", "status": "true", "Desc": "d", "Salt": "salt", "IterationCount": "4096",
	"RuleId": "r", "ActionId": "a", "ResourceType": "t", "ResourceId": "r", "Type": "t", "Sql": "select", "Actions": "[]", "Mod": "m", "Attr": "memory", "N": "3",
	"IP": "127.0.0.1", "Value": "4m", "Seconds": "10", "Key": "retainer.expiry_interval",
}

// TestJSONOfAllVerbs demands that every verb there is prints one object with
// --json and nothing else, done or refused, on a node that runs.
func TestJSONOfAllVerbs(t *testing.T) {
	dir := t.TempDir()
	c, _, err := node.LoadConfig("", []string{"DUNLIN_NODE__DATA_DIR=" + dir, "DUNLIN_LISTENER__TCP__EXTERNAL=127.0.0.1:0", "DUNLIN_LISTENER__SSL__EXTERNAL=off",
		"DUNLIN_LISTENER__WS__EXTERNAL=off", "DUNLIN_LISTENER__WSS__EXTERNAL=off", "DUNLIN_MANAGEMENT__LISTENER__HTTP=off", "DUNLIN_DASHBOARD__LISTENER__HTTP=off",
		"DUNLIN_LOG__DIR=" + filepath.Join(dir, "log")})
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	seen := 0
	for _, path := range verbsBelow(ctlCommand("ctl")) {
		args := append([]string{"--json"}, wordsFor(t, dir, path)...)
		stdout, stderr, err := ctl(dir, "", args...)
		var one map[string]json.RawMessage
		lines := bufio.NewScanner(strings.NewReader(stdout))
		lines.Buffer(nil, 1<<20)
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &one) != nil || lines.Scan() || stderr != "" {
			t.Errorf("%q prints\n%s%s", args, stdout, stderr)
			continue
		}
		code, message := string(one["code"]), one["message"]
		if (code == "0") == (message != nil) || code == "0" && one["usage"] != nil {
			t.Errorf("%q is neither done nor refused: %s", args, stdout)
		}
		if strings.Contains(stdout, "wrong arguments") {
			t.Errorf("%q is used wrongly", args)
		}
		if code != "0" && err == nil {
			t.Errorf("%q was refused, and its exit code doesn't say so", args)
		}
		seen++
	}
	if seen < 80 {
		t.Errorf("only %d verbs were found", seen)
	}
}

// verbsBelow are the uses of all verbs of a command, with the words before them.
func verbsBelow(c *cobra.Command) (all []string) {
	if uses, has := c.Annotations[usageAnnotation]; has {
		name := strings.TrimPrefix(c.CommandPath(), "ctl ")
		for line := range strings.Lines(uses) {
			use, _, _ := strings.Cut(line, "\t")
			all = append(all, strings.TrimSpace(name+" "+use))
		}
	}
	for _, below := range c.Commands() {
		if _, leaf := below.Annotations[usageAnnotation]; leaf || below.HasSubCommands() {
			all = append(all, verbsBelow(below)...)
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`^<(.+)>$`)

// wordsFor is a command line that fits a use: what may be left out is.
func wordsFor(t *testing.T, dir, use string) (words []string) {
	for _, word := range strings.Fields(use) {
		name := placeholder.FindStringSubmatch(word)
		switch {
		case strings.HasPrefix(word, "[") || strings.HasPrefix(word, "--") || strings.HasSuffix(word, "]"):
			continue
		case name == nil:
			words = append(words, word)
			continue
		}
		first, _, several := strings.Cut(name[1], "|")
		value, ok := ctlWords[name[1]]
		switch {
		case first == "File" || first == "LogFile":
			value = filepath.Join(dir, "file")
		case several:
			value = first
		case !ok:
			t.Fatalf("%s: ctlWords has nothing for <%s>", use, name[1])
		}
		words = append(words, value)
	}
	if slices.Equal(words[:1], []string{"acl"}) && slices.Contains(words, "add") { // <a|b|_all> with a name that may be left out
		words = slices.Insert(words, 3, "name")
	}
	if slices.Equal(words[:1], []string{"acl"}) && slices.Contains(words, "delete") {
		words = slices.Insert(words, 3, "name")
	}
	return words
}
