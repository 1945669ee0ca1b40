#!/usr/bin/env bash
# Builds FerretDB, which stands for MongoDB in the tests: there is no MongoDB to be had as a package. The Go module proxy
# has its source; testenv/ferretdb pins version and checksum. Built once into .cache/peers, in about a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

module=github.com/FerretDB/FerretDB
version=$(awk -v m="$module" '$1 == "require" && $2 == m { print $3 }' testenv/ferretdb/go.mod)
into=$PWD/.cache/peers/ferretdb-${version#v}
[ -x "$into/ferretdb" ] && exit 0

started=$SECONDS
(cd testenv/ferretdb && go mod download "$module")
source=$(cd testenv/ferretdb && go list -m -f '{{.Dir}}' "$module")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$source/." "$work"
chmod -R u+w "$work"
# A file of a release that the module lacks and the program embeds.
printf '%s' "$version" >"$work/build/version/version.txt"
mkdir -p "$into"
(cd "$work" && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$into/ferretdb.new" ./cmd/ferretdb)
mv "$into/ferretdb.new" "$into/ferretdb" # never half a program under the final name
echo "built FerretDB $version in $((SECONDS - started)) s"
