package discovery

import (
	"fmt"
	"strings"

	"github.com/dunlin-mq/dunlin/config"
)

// MaxName is the length in bytes that no name of a node or cluster exceeds.
const MaxName = 255

// CheckName returns what is wrong with the name of a node. It is name@host:
// letters, digits, _ and - before the @; an IP address or a host name behind
// it. Names are a level of $SYS topics, so nothing of their syntax is in them.
func CheckName(node string) error {
	name, host, _ := strings.Cut(node, "@")
	if len(node) > MaxName || !isWord(name) || host == "" || strings.ContainsFunc(host, isForeign) {
		return config.Expected("a node such as emqx@10.0.0.1 or emqx@n1.example.org", node)
	}
	return nil
}

// AppOf is what a node is called before the @.
func AppOf(node string) string {
	name, _, _ := strings.Cut(node, "@")
	return name
}

// App is the name before the @ of nodes of which only the host is found: what
// was configured, or if that is nothing, what this node has.
func (s Self) App(configured string) string {
	if configured != "" {
		return configured
	}
	return AppOf(s.Name)
}

// isWord reports whether a text is what stands before the @, or the name of a
// cluster.
func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isAlphanumeric(r) && r != '_' && r != '-' })
}

// isForeign reports whether no host has such a character: not a name, not an
// IP address.
func isForeign(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune(".:-_", r) }

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// Clean sorts names out: valid ones once each, and an error for each that is
// no name of a node.
func Clean(found []string) (nodes []string, wrong []error) {
	seen := make(map[string]bool, len(found))
	for _, node := range found {
		if seen[node] {
			continue
		}
		seen[node] = true
		if err := CheckName(node); err != nil {
			wrong = append(wrong, fmt.Errorf("found by discovery: %w", err))
			continue
		}
		nodes = append(nodes, node)
	}
	return nodes, wrong
}
