#!/usr/bin/env bash
# Fails when a file is not what the tools would write: formatting, go.mod and go.sum, generated files.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(git ls-files '*.go' | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'gofmt would change:\n%s\n' "$unformatted"
	exit 1
fi

go mod tidy -diff
go mod verify

# Compared with the state before, not with the last commit, so that it can be run over unfinished work.
state() { git status --porcelain; git diff; }
before=$(mktemp)
trap 'rm -f "$before"' EXIT
state >"$before"
go generate ./...
if ! diff "$before" <(state); then
	echo 'go generate ./... changes the files above: commit what it writes'
	exit 1
fi
