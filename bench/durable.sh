#!/usr/bin/env bash
# Scenario 11: sessions whose clients are away are filled, the broker is killed with -9 and started again, and they come
# back for what was kept. Prints the figures of the gates as a Markdown table, and exits with 1 if one is missed.
#
#   bench/durable.sh                                 2,000 sessions, a million deliveries of 256 B (takes a few minutes)
#   SESSIONS=200 DELIVERIES=100000 bench/durable.sh
#
# Environment:
#   SESSIONS    sessions that are away (2000)
#   DELIVERIES  that wait for them in all (1000000)
#   SHAPES      own: each message is for one session; all: each is for every session (own all)
#   QOS         1 or 2 (1)
#   VERSION     of MQTT, 4 or 5 (5)
#   ROUNDS      of each shape, of which the median is shown (3)
#   SIGNAL      what ends the broker (KILL)
#   DUNLIN      a dunlin binary to use instead of building one
#   BROKER_CMD  a command to start instead of Dunlin; it finds $PORT and $DATA, a folder that it finds again after the kill
#   KEEP        a file to keep all single figures in
#
# "To serve" is the time from the start of the process until a session's client has its CONNACK. The rate of the drain counts
# from there on, with clients that come back at 5,000 a second. What is on the disk is compared with the payloads, each
# counted once.
set -euo pipefail
if [ "${1:-}" = restart ]; then # what `dunlin bench` runs between filling and draining
  kill -s "$SIGNAL" "$(cat "$WORK/pid")"
  while kill -0 "$(cat "$WORK/pid")" 2>/dev/null; do sleep 0.01; done
  du -sb "$DATA" | cut -f 1 >"$WORK/bytes"
  began=$(date +%s%N)
  "$0" start
  echo $((($(date +%s%N) - began) / 1000000)) >"$WORK/serve_ms"
  exit
fi
if [ "${1:-}" = start ]; then
  bash -c "exec ${BROKER_CMD:-'"$DUNLIN"'}" >>"$WORK/log" 2>&1 &
  echo $! >"$WORK/pid"
  for _ in $(seq 600); do
    "$DUNLIN" bench conn -p "$PORT" -c 1 -i 0 --seconds 0.001 --quiet >/dev/null 2>&1 && exit
    kill -0 $! 2>/dev/null || break
    sleep 0.02
  done
  cat "$WORK/log" >&2
  echo "durable.sh: the broker does not serve" >&2
  exit 1
fi

self=$(realpath "$0")
cd "$(dirname "$0")/.."
ulimit -n "$(ulimit -Hn)"
export VERSION=${VERSION:-5} SESSIONS=${SESSIONS:-2000} DELIVERIES=${DELIVERIES:-1000000} QOS=${QOS:-1} SIGNAL=${SIGNAL:-KILL}
export DUNLIN=${DUNLIN:-} BROKER_CMD=${BROKER_CMD:-} PORT DATA WORK
WORK=$(mktemp -d)
figures=${KEEP:-$WORK/figures}
: >"$figures"
end() {
  [ ! -e "$WORK/pid" ] || kill -9 "$(cat "$WORK/pid")" 2>/dev/null || true
  rm -f "$WORK/pid"
}
trap 'end; rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
if [ -z "$DUNLIN" ]; then
  DUNLIN=$WORK/dunlin
  go build -o "$DUNLIN" ./cmd/dunlin
fi
export DUNLIN_MANAGEMENT__LISTENER__HTTP=off DUNLIN_DASHBOARD__LISTENER__HTTP=off

free_port() { # below the range that outgoing connections take theirs from
  local port
  while port=$((20000 + RANDOM % 10000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}
value() { sed -n "s/.*\"$1\":\([-+0-9.e]*\).*/\1/p" "$WORK/json"; }
calc() { awk "BEGIN { printf \"%.3f\", ($1) }"; }

round() { # SHAPE: one line of figures
  local messages=$DELIVERIES spread=--spread
  [ "$1" = own ] || messages=$((DELIVERIES / SESSIONS)) spread=
  PORT=$(free_port) DATA=$(mktemp -d "$WORK/XXXXXX")
  export DUNLIN_LISTENER__TCP__EXTERNAL=127.0.0.1:$PORT DUNLIN_NODE__DATA_DIR=$DATA
  "$self" start
  "$DUNLIN" bench offline -p "$PORT" --subscribers "$SESSIONS" --publishers 50 --filter "$1" $spread -L "$messages" -s 256 -q "$QOS" \
    -V "$VERSION" -R 5000 --window 2000 --drain 15 --json --between "$self restart" >"$WORK/json"
  echo "$1 $(value lost) $(value duplicates) $(value delivered_per_s) $(cat "$WORK/serve_ms") $(calc "$(cat "$WORK/bytes") / ($messages * 256)") $(value sent_per_s) $(value acked) $(value sent)" | tee -a "$figures" >&2
  end
  rm -rf "$DATA"
}
for shape in ${SHAPES:-own all}; do
  for _ in $(seq "${ROUNDS:-3}"); do round "$shape"; done
done

echo
echo "$(date -u +%F), $(uname -sm), $(nproc) CPUs, $SESSIONS sessions, $DELIVERIES deliveries, QoS $QOS, MQTT $VERSION, ${BROKER_CMD:-dunlin $(git rev-parse --short HEAD 2>/dev/null || echo no commit)}"
echo
awk '
  function median(a, n,   i, j, t) {
    for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] > t; j--) a[j+1] = a[j]; a[j+1] = t }
    return n % 2 ? a[(n+1)/2] : (a[n/2] + a[n/2+1]) / 2
  }
  function show(v) { return sprintf(v >= 100 || v == int(v) ? "%.0f" : "%.2f", v) }
  function line(shape, what, v, gate, held) {
    printf "| 11 %s | %s | %s | %s | %s |\n", shape, what, show(v), gate, gate == "" ? "" : held ? "held" : "missed"
    if (gate != "" && !held) bad = 1
  }
  { n[$1]++; for (i = 2; i <= NF; i++) f[$1, i, n[$1]] = $i; if (!($1 in seen)) { seen[$1] = 1; order[++shapes] = $1 } }
  END {
    print "| # | figure | measured | gate | |\n|--|--|--|--|--|"
    for (s = 1; s <= shapes; s++) {
      shape = order[s]; lost = twice = unanswered = 0
      for (i = 1; i <= n[shape]; i++) {
        if (f[shape, 2, i] > lost) lost = f[shape, 2, i]
        if (f[shape, 3, i] > twice) twice = f[shape, 3, i]
        if (f[shape, 9, i] - f[shape, 8, i] > unanswered) unanswered = f[shape, 9, i] - f[shape, 8, i]
        rate[i] = f[shape, 4, i]; serve[i] = f[shape, 5, i] / 1000; bytes[i] = f[shape, 6, i]; fill[i] = f[shape, 7, i]
      }
      line(shape, "deliveries lost, worst", lost, "0", lost == 0)
      line(shape, "messages without PUBACK, worst", unanswered, "0", unanswered == 0)
      line(shape, "delivered twice, worst", twice, ENVIRON["QOS"] == 2 ? "0" : "", twice == 0)
      line(shape, "drained a second", median(rate, n[shape]), "≥ 20000", median(rate, n[shape]) >= 20000)
      line(shape, "to serve after the kill, s", median(serve, n[shape]), "≤ 5", median(serve, n[shape]) <= 5)
      line(shape, "bytes on disk for each of payload", median(bytes, n[shape]), "", 1)
      line(shape, "filled a second", median(fill, n[shape]), "", 1)
    }
    exit bad
  }' "$figures"
