#!/usr/bin/env bash
# Fuzzes every target of the module, one after the other: scripts/fuzz.sh [time for each, 30s].
# A failing input is kept under testdata/fuzz/ of its package: commit it with the fix.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-30s}

targets=$(grep -rHoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' --exclude-dir=node_modules --exclude-dir='.?*' . | sort)
while IFS=: read -r file declaration; do
	[ -n "$file" ] || continue
	name=${declaration#func }
	echo "--- $(dirname "$file") $name, $fuzztime"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$fuzztime" -fuzzminimizetime 5s "$(dirname "$file")"
done <<<"$targets"
