#!/usr/bin/env bash
# Builds a real kube-apiserver for the tests of discovery by Kubernetes, which answer from its recorded answers when it isn't
# there. The Go module proxy has its source; testenv/kube-apiserver pins version and checksums. Built once into .cache/peers,
# in about seven minutes: too long for every run of the tests, so only `make kubernetes` does it.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(cd testenv/kube-apiserver && go list -m -f "{{.Version}}" k8s.io/kubernetes)
into=$PWD/.cache/peers/kube-apiserver-${version#v}
[ -x "$into/kube-apiserver" ] && exit 0

started=$SECONDS
mkdir -p "$into"
(cd testenv/kube-apiserver && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$into/kube-apiserver.new" k8s.io/kubernetes/cmd/kube-apiserver)
mv "$into/kube-apiserver.new" "$into/kube-apiserver" # never half a program under the final name
echo "built kube-apiserver $version in $((SECONDS - started)) s"
