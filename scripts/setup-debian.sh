#!/usr/bin/env bash
# Gets the real clients and servers that the tests talk to. On Debian as root the missing ones are installed; anywhere else
# they are named, and the tests that need them skip. With DUNLIN_REQUIRE_PEERS=1 a missing one is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

# command or file, Debian package, what needs it
peers='
mosquitto      mosquitto          comparison with another broker
mosquitto_pub  mosquitto-clients  client tests over TCP and TLS, the examples in docs/
mosquitto_sub  mosquitto-clients  client tests over TCP and TLS, the examples in docs/
openssl        openssl            TLS tests against another implementation
haproxy        haproxy            PROXY protocol tests
node           nodejs             client tests over WebSocket
npm            npm                client tests over WebSocket, the build of the dashboard
chromium       chromium           tests of the dashboard
/usr/share/bash-completion/bash_completion  bash-completion  completion of command lines
curl           curl               the examples in docs/
ip             iproute2           the examples in docs/, in a network namespace of their own
unshare        util-linux         the examples in docs/, in a network namespace of their own
prometheus     prometheus         dashboard and alert rules, the examples in docs/
promtool       prometheus         dashboard and alert rules, the examples in docs/
gcc            gcc,libc6-dev      the race detector
mariadbd       mariadb-server     MySQL tests
mariadb        mariadb-client     MySQL tests
pg_ctlcluster  postgresql         PostgreSQL tests
redis-server   redis-server       Redis tests
slapd          slapd              LDAP tests
ldapadd        ldap-utils         LDAP tests
etcd           etcd-server        discovery tests
etcdctl        etcd-client        discovery tests
dnsmasq        dnsmasq-base       discovery tests
nft            nftables           tests of split clusters
mvn            maven              MySQL 8 tests: scripts/peer-mysql8.sh
unzip          unzip              MySQL 8 tests: scripts/peer-mysql8.sh
/usr/lib/x86_64-linux-gnu/libaio.so.1   libaio1   MySQL 8 tests
/usr/lib/x86_64-linux-gnu/libnuma.so.1  libnuma1  MySQL 8 tests
'

have() {
	case $1 in
	/*) [ -e "$1" ] ;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}

# missing prints the rows whose command is not there.
missing() {
	while read -r command package why; do
		[ -z "$command" ] || have "$command" || echo "$command $package $why"
	done <<<"$peers"
}

install_packages() {
	# Debian starts a daemon when its package is installed; a broker on port 1883 is the last thing wanted here.
	local policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
		trap "rm -f $policy" EXIT
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq update
	apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

failed=0
rows=$(missing)
if [ -n "$rows" ] && [ "$(id -u)" = 0 ] && have apt-get; then
	mapfile -t packages < <(awk '{ print $2 }' <<<"$rows" | tr , "\n" | sort -u)
	echo "installing: ${packages[*]}"
	install_packages "${packages[@]}" || echo "apt-get could not install all of them"
	rows=$(missing)
fi
if [ -n "$rows" ]; then
	while read -r command package why; do
		echo "missing: $command (Debian package $package), needed for: $why"
	done <<<"$rows"
	failed=1
fi

# npm is asked only when the lock file is newer than what it last installed.
cd testenv/node
if have npm && [ package-lock.json -nt node_modules/.package-lock.json ]; then
	echo "installing: testenv/node (MQTT.js, playwright-core)"
	npm ci --no-audit --no-fund --loglevel=error || {
		echo "missing: MQTT.js and playwright-core (npm ci failed in testenv/node), needed for: client tests over WebSocket, tests of the dashboard"
		failed=1
	}
fi

if [ "$failed" = 1 ]; then
	[ "${DUNLIN_REQUIRE_PEERS:-}" != 1 ] || { echo "DUNLIN_REQUIRE_PEERS=1: every peer above must be there"; exit 1; }
	echo "the tests that need them are skipped (go test -v shows which)"
fi
