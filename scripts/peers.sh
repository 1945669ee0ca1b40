#!/usr/bin/env bash
# Gets the servers that tests talk to and no package of the system has, each into a folder of .cache/peers that bears its
# version. What is there stays. With DUNLIN_REQUIRE_PEERS=1 one that can't be had is an error; else its tests skip.
set -euo pipefail
cd "$(dirname "$0")"

failed=0
for script in peer-*.sh; do
	from=$SECONDS
	if ! ./"$script"; then
		echo "missing: what $script gets"
		failed=1
	elif [ $((SECONDS - from)) -gt 0 ]; then
		echo "$script: $((SECONDS - from)) seconds"
	fi
done
if [ "$failed" = 1 ]; then
	[ "${DUNLIN_REQUIRE_PEERS:-}" != 1 ] || { echo "DUNLIN_REQUIRE_PEERS=1: every peer above must be there"; exit 1; }
	echo "the tests that need them are skipped (go test -v shows which)"
fi
