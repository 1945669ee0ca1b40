#!/usr/bin/env bash
# Fuzzes every target of the module, one after the other: scripts/fuzz.sh [time for each, 30s, or inputs, 20000x].
# A failing input is kept under testdata/fuzz/ of its package: commit it with the fix.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-30s}

# fuzz runs one target. Go's fuzzer sometimes reports its own time limit as a failure, with no input that failed.
fuzz() {
	local output
	output=$(mktemp)
	if ! go test -run '^$' -fuzz "^$1\$" -fuzztime "$fuzztime" -fuzzminimizetime 5s "$2" | tee "$output"; then
		if ! grep -q 'context deadline exceeded' "$output" || grep -q 'Failing input' "$output"; then
			exit 1
		fi
		echo "    no input failed: the fuzzer ran into its own time limit"
	fi
	rm -f "$output"
}

targets=$(grep -rHoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' --exclude-dir=node_modules --exclude-dir='.?*' . | sort)
while IFS=: read -r file declaration; do
	[ -n "$file" ] || continue
	name=${declaration#func }
	echo "--- $(dirname "$file") $name, $fuzztime"
	fuzz "$name" "$(dirname "$file")"
done <<<"$targets"
