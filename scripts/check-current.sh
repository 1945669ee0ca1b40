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
if command -v npm >/dev/null || [ "${DUNLIN_REQUIRE_PEERS:-}" = 1 ]; then
	make --no-print-directory dashboard
else
	echo 'npm is missing: it is not checked that dashboard/dist is what dashboard/web builds'
fi
if ! diff "$before" <(state); then
	echo 'go generate ./... and make dashboard change the files above: commit what they write'
	exit 1
fi
