#!/usr/bin/env bash
# upgrade.sh COMMIT: builds that older version and upgrades a cluster of it to this one, node by node, while clients use it.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 COMMIT (make upgrade OLD=COMMIT)" >&2; exit 2; }
cd "$(dirname "$0")/.."
old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
mkdir "$old/src"
git archive "$1" | tar -x -C "$old/src"
(cd "$old/src" && go build -o "$old/dunlin" ./cmd/dunlin)
DUNLIN_OLD=$old/dunlin go test -count=1 -v -run '^TestRollingUpgrade$' ./internal/clustertest
