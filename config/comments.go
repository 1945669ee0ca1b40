package config

import (
	"strings"
)

// Comments returns what the comments in the text of a configuration file say about keys: those lines that begin with
// ## and stand right above the line of a key, which may itself be a comment of the form `# key = value`. So a file of
// defaults is where keys are explained, once.
func Comments(text []byte) map[string]string {
	all := make(map[string]string)
	var above []string
	for line := range strings.Lines(string(text)) {
		line = trim(strings.TrimSuffix(line, "\n"))
		if comment, is := strings.CutPrefix(line, "##"); is {
			above = append(above, trim(comment))
			continue
		}
		key, _, found := strings.Cut(trim(strings.TrimPrefix(line, "#")), "=")
		if key = trim(key); found && isKey(key) && len(above) > 0 {
			all[key] = strings.Join(above, " ")
		}
		above = nil
	}
	return all
}
