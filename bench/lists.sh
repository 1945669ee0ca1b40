#!/usr/bin/env bash
# Pages every list of the REST interface of a broker with 15,000 clients, and measures what that does to messages.
#
#   bench/lists.sh                    15,000 clients, five rounds (takes about three minutes)
#   CLIENTS=5000 ROUNDS=1 bench/lists.sh
#
# First all lists are paged as fast as they come, in pages of 100, 1000 and 10,000 rows, while messages pass: of the times
# in which a page is there to its last byte, the 99th of 100 must be within GATE. Then scenario 4b (1000 publishers, 1000
# subscribers, 10,000 messages a second at QoS 1) runs by turns without and with somebody who looks at a page of 100 rows of
# each list in turn, one a second: the ratio of what a message costs the broker is the second figure, to be at most 1.05.
# Both need a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
ulimit -n "$(ulimit -Hn)"
go test ./internal/clienttest -run '^TestLists$' -count=1 -v -timeout 20m \
  -args -list-clients "${CLIENTS:-15000}" -list-gate "${GATE:-50ms}" -list-rounds "${ROUNDS:-5}"
