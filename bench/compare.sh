#!/usr/bin/env bash
# Measures Dunlin beside Mosquitto on this machine and prints the ratios as a Markdown table.
#
#   bench/compare.sh                     all scenarios, five rounds each (takes about an hour)
#   SCENARIOS="4a 5b" ROUNDS=3 bench/compare.sh
#
# Environment:
#   SCENARIOS   of: 1 3 4a 4b 4c 5a 5b 5c 6a 6b 7 8 10
#   ROUNDS      valid pairs of rounds wanted per scenario (5)
#   TAKE        seconds measured in a round (8)
#   MQLOAD      an mqload binary to use as the load where it can run the scenario; else `dunlin bench` does
#   DUNLIN      a dunlin binary to use instead of building one
#   DUNLIN_CMD  a command to start as the first broker instead of Dunlin; it finds $PORT, $DATA (a folder) and $CONF
#               (a mosquitto.conf for that port)
#   OTHER_CMD   the same for the second broker instead of Mosquitto, to compare two settings
#   MOSQUITTO   the mosquitto binary
#   KEEP        a file to keep all single figures in
#
# A round starts a broker afresh, measures, stops it; rounds of the two alternate. A round counts if the rate was reached
# (99 %) and the median latency was below 5 ms (fan-out: 10 ms); of the pairs that count, the median ratio is shown.
set -euo pipefail
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-5} TAKE=${TAKE:-8} WARMUP=2 MQLOAD=${MQLOAD:-}
SCENARIOS=${SCENARIOS:-1 3 4a 4b 4c 5a 5b 5c 6a 6b 7 8 10}
work=$(mktemp -d)
figures=${KEEP:-$work/figures}
broker_pid='' background=()
: >"$figures"
say() { printf '%s\n' "$*" >&2; }
die() { say "compare.sh: $*"; exit 1; }

stop_pid() { # PID: ends it and waits until it is gone, ten seconds at most
  kill "$1" 2>/dev/null || return 0
  for _ in $(seq 100); do kill -0 "$1" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}
stop_all() {
  for pid in "${background[@]}"; do stop_pid "$pid"; done
  background=()
  [ -z "$broker_pid" ] || stop_pid "$broker_pid"
  broker_pid=''
}
trap 'stop_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

prepare() {
  ulimit -n "$(ulimit -Hn)"
  if [ -z "${DUNLIN:-}" ]; then
    DUNLIN=$work/dunlin
    go build -o "$DUNLIN" ./cmd/dunlin
  fi
  MOSQUITTO=${MOSQUITTO:-$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v mosquitto || true)}
  if [ -z "$MOSQUITTO" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing mosquitto"
    { apt-get update && apt-get install -y --no-install-recommends mosquitto; } >"$work/apt" 2>&1 || { cat "$work/apt" >&2; die "mosquitto could not be installed"; }
    MOSQUITTO=/usr/sbin/mosquitto
  fi
  [ -x "$MOSQUITTO" ] || die "mosquitto is needed to compare with: install it, or name it in MOSQUITTO"
}

free_port() { # below the range that outgoing connections take theirs from
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 10000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  die "no free port found"
}

start() { # dunlin|mosquitto: sets PORT, broker_pid and expected, the descriptors it should have open
  export PORT DATA CONF
  PORT=$(free_port) DATA=$(mktemp -d "$work/XXXXXX") CONF=$DATA/mosquitto.conf
  # What Dunlin has as its defaults: a queue of 1000 and a window of 32 messages a client; nothing on disk.
  printf '%s\n' "listener $PORT 127.0.0.1" 'allow_anonymous true' 'persistence false' 'log_type error' \
    'max_queued_messages 1000' 'max_inflight_messages 32' >"$CONF"
  if [ "$1" = mosquitto ] && [ -n "${OTHER_CMD:-}" ]; then
    env -u DUNLIN_CMD bash -c "exec $OTHER_CMD" >"$DATA/log" 2>&1 &
  elif [ "$1" = mosquitto ]; then
    "$MOSQUITTO" -c "$CONF" >"$DATA/log" 2>&1 &
  elif [ -n "${DUNLIN_CMD:-}" ]; then
    env -u DUNLIN_CMD bash -c "exec $DUNLIN_CMD" >"$DATA/log" 2>&1 &
  else
    DUNLIN_MANAGEMENT__LISTENER__HTTP=off DUNLIN_DASHBOARD__LISTENER__HTTP=off DUNLIN_LISTENER__TCP__EXTERNAL=127.0.0.1:$PORT DUNLIN_NODE__DATA_DIR=$DATA "$DUNLIN" >"$DATA/log" 2>&1 &
  fi
  broker_pid=$!
  for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && { expected=$(descriptors); return; }
    kill -0 "$broker_pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$DATA/log" >&2
  die "$1 did not open port $PORT"
}

# What a process has used: resident KB, descriptors, CPU nanoseconds of all its threads.
rss_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$broker_pid/status"; }
descriptors() { ls "/proc/$broker_pid/fd" | wc -l; }
cpu_ns() { cat /proc/"$broker_pid"/task/*/schedstat | awk '{ n += $1 } END { printf "%.0f", n }'; }

value() { sed -n "s/.*\"$1\":\([-+0-9.e]*\).*/\1/p" "$work/json"; } # of the last load
calc() { awk "BEGIN { printf \"%.3f\", ($1) }"; }
record() { echo "$id $round $who $1 $2 ${3:-1}" >>"$figures"; }        # metric, value, valid

# traffic PUBLISHERS SUBSCRIBERS TOPICS FILTER RATE QOS [flag of dunlin bench ...]
traffic() {
  local p=$1 s=$2 t=$3 filter=$4 rate=$5 qos=$6
  shift 6
  if [ -n "$MQLOAD" ] && [ $# = 0 ]; then
    "$MQLOAD" --port "$PORT" --pid "$broker_pid" --mqtt 4 --qos "$qos" --keepalive 300 --publishers "$p" --subscribers "$s" \
      --topics "$t" --filter "$filter" --payload 16 --rate "$rate" --warmup "$WARMUP" --seconds "$TAKE" >"$work/json"
  else
    "$DUNLIN" bench roundtrip -p "$PORT" --pid "$broker_pid" -V 4 -q "$qos" -k 300 --publishers "$p" --subscribers "$s" \
      --topics "$t" --filter "$filter" -s 16 --rate "$rate" --warmup "$WARMUP" --seconds "$TAKE" -R 5000 --prefix bench --json \
      "$@" >"$work/json"
  fi
}

# subscribers PREFIX COUNT RATE: that many connections with one own QoS 1 subscription each, in the background
subscribers() {
  expected=$((expected + $2)) # give or take the few that the broker opens and closes for itself
  if [ -n "$MQLOAD" ]; then
    "$MQLOAD" --port "$PORT" --qos 1 --keepalive 300 --subscribers "$2" --topics "$2" --prefix "$1" --conn-rate "$3" --hold 120 >/dev/null 2>&1 &
  else
    "$DUNLIN" bench sub -p "$PORT" -V 4 -q 1 -k 300 -c "$2" -t "$1/%i" --prefix "$1" -R "$3" --seconds 120 --quiet >/dev/null 2>&1 &
  fi
  background+=($!)
  for _ in $(seq 300); do
    [ "$(descriptors)" -lt $((expected - 10)) ] || return 0
    sleep 0.1
  done
  die "$who did not take $2 connections within 30 s"
}

per_delivery() { calc "$(value broker_cpu_s) * 1e6 / ($(value delivered_per_s) * $(value seconds))"; }
valid() { # RATE P50_MS: whether the last traffic counts
  calc "$(value sent_per_s) >= 0.99 * $1 && $(value p50_us) < 1000 * $2" | cut -c1
}
flow() { # RATE P50_MS: records the usual figures of the last traffic
  local ok
  ok=$(valid "$1" "$2")
  record cpu "$(per_delivery)" "$ok"
  record p99 "$(value p99_us)" "$ok"
  record p50 "$(value p50_us)" "$ok"
  record lost "$(value lost)" "$ok"
}

scenario_1() {
  record empty "$(calc "$(rss_kb) / 1024")"
  subscribers bench1 2000 2000; sleep 3
  local few before start
  few=$(rss_kb)
  subscribers bench2 14000 2000; sleep 3
  record slope "$(calc "($(rss_kb) - $few) / 14000")"
  before=$(cpu_ns) start=$(date +%s%N); sleep 3
  record idle "$(calc "100 * ($(cpu_ns) - $before) / ($(date +%s%N) - $start)")"
}
scenario_3() {
  if [ -n "$MQLOAD" ]; then
    "$MQLOAD" --port "$PORT" --pid "$broker_pid" --qos 1 --keepalive 300 --subscribers 12000 --topics 12000 --conn-rate 5000 >"$work/json"
  else
    "$DUNLIN" bench sub -p "$PORT" --pid "$broker_pid" -V 4 -q 1 -k 300 -c 12000 -t bench/%i --prefix bench -R 5000 --seconds 0.1 --json >"$work/json"
  fi
  local all=1
  [ "$(value connected)" = 12000 ] || all=0
  record connect "$(value connect_cpu_us)" $all
  record all "$(value connect_s)" $all
}
p2p() { traffic 1000 1000 1000 own 10000 "$@"; flow 10000 5; }
scenario_4a() { p2p 0; }
scenario_4b() { p2p 1; }
scenario_4c() { p2p 2; }
scenario_5a() { traffic 5 200 5 all 100 0; flow 100 10; }
scenario_5b() { traffic 5 200 5 all 500 0; flow 500 10; }
scenario_5c() { traffic 5 1000 5 all 50 1; flow 50 10; }
scenario_6a() { traffic 1000 5 1000 shared 10000 1; flow 10000 5; }
scenario_6b() { traffic 1000 5 1000 shared 10000 1 --kill-every 2; record lost "$(value lost)"; record twice "$(value duplicates)"; }
alone() { # scenario 4b on the same broker, for what shall be compared with it
  TAKE=$((TAKE > 5 ? 5 : TAKE)) traffic 1000 1000 1000 own 10000 1
  record alone "$(per_delivery)" "$(valid 10000 5)"
}
scenario_7() {
  alone
  subscribers idle 14000 5000
  TAKE=$((TAKE > 5 ? 5 : TAKE)) traffic 1000 1000 1000 own 10000 1
  flow 10000 5
}
scenario_8() {
  alone
  local before
  before=$(rss_kb)
  traffic 1000 100 1 mixed 10000 1 --filters 10000
  record filter "$(calc "($(value rss_kb_connected) - $before) * 1024 / 1e6")"
  flow 10000 5
}
scenario_10() {
  traffic 5 100 5 all 500 1 --slow 1 --slow-seconds 8 -s 1024 --seconds 9
  record lost "$(value lost)" "$(valid 500 10)"
  record grown "$(calc "($(value rss_kb_peak) - $(value rss_kb_connected)) / 1024")" "$(valid 500 10)"
  record missed "$(value slow_lost)" "$(valid 500 10)"
}

# One line per gate: scenario | metric | what it is | kind | limit.
# ratio: to Mosquitto's in the same pair; own:M: to the broker's own metric M; most: the figure itself; show: no gate.
gates() {
  cat <<'TABLE'
1|slope|idle: RSS per connection, KB|most|2.0
1|empty|idle: RSS without connections, MB|most|30
1|idle|idle: CPU with 16,000 connections, %|most|0.3
3|connect|storm: CPU per CONNECT + SUBSCRIBE, µs|ratio|1.2
3|all|storm: until all 12,000 are back, s|most|5
4a|cpu|p2p QoS 0: CPU per delivery, µs|ratio|1.0
4a|p99|p2p QoS 0: p99, µs|ratio|1.2
4b|cpu|p2p QoS 1: CPU per delivery, µs|ratio|1.0
4b|p99|p2p QoS 1: p99, µs|ratio|1.2
4c|cpu|p2p QoS 2: CPU per delivery, µs|ratio|1.0
4c|p99|p2p QoS 2: p99, µs|ratio|1.2
5a|cpu|fan-out QoS 0, 20k/s: CPU per delivery, µs|ratio|1.0
5b|cpu|fan-out QoS 0, 100k/s: CPU per delivery, µs|ratio|1.1
5c|cpu|fan-out QoS 1, 50k/s: CPU per delivery, µs|ratio|1.0
6a|cpu|shared QoS 1: CPU per delivery, µs|ratio|1.0
6a|lost|shared QoS 1: messages lost|most|0
6b|lost|shared, a member cut every 2 s: messages lost|most|0
6b|twice|shared, a member cut every 2 s: delivered twice|show|
7|cpu|p2p QoS 1 beside 14,000 idle: CPU against without|own:alone|1.15
8|filter|1M filters: RSS per filter, B|most|250
8|cpu|1M filters: CPU per delivery against p2p QoS 1|own:alone|1.2
10|lost|slow consumer: lost to the 99 others|most|0
10|grown|slow consumer: RSS grown at most, MB|most|8
10|missed|slow consumer: messages it did not get|show|
TABLE
}

table() {
  echo "| # | figure | Dunlin | Mosquitto | ratio | gate | pairs | |"
  echo "|--|--|--|--|--|--|--|--|"
  gates | awk -F'|' -v figures="$figures" '
    function median(a, n,   i, j, t) {
      if (!n) return "-"
      for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] > t; j--) a[j+1] = a[j]; a[j+1] = t }
      return n % 2 ? a[(n+1)/2] : (a[n/2] + a[n/2+1]) / 2
    }
    function show(v) { return v == "-" ? v : sprintf(v >= 100 || v == int(v) ? "%.0f" : v >= 10 ? "%.1f" : "%.2f", v) }
    BEGIN {
      while ((getline line < figures) > 0) {
        split(line, f, " "); k = f[1] SUBSEP f[4] SUBSEP f[2] SUBSEP f[3]
        if (f[6]) figure[k] = f[5]
        if (f[2] > rounds[f[1]]) rounds[f[1]] = f[2]
      }
    }
    rounds[$1] {
      d = m = r = 0; delete D; delete M; delete R
      for (i = 1; i <= rounds[$1]; i++) {
        if (!(($1, $2, i, "dunlin") in figure) || !(($1, $2, i, "mosquitto") in figure)) continue
        x = figure[$1, $2, i, "dunlin"]; y = figure[$1, $2, i, "mosquitto"]
        if ($4 ~ /^own:/) {
          by = substr($4, 5)
          if (figure[$1, by, i, "dunlin"] <= 0 || figure[$1, by, i, "mosquitto"] <= 0) continue
          x /= figure[$1, by, i, "dunlin"]; y /= figure[$1, by, i, "mosquitto"]
        }
        D[++d] = x; M[++m] = y; if (y > 0) R[++r] = x / y
      }
      worst = 0; for (i = 1; i <= d; i++) if (D[i] > worst) worst = D[i]
      ratio = median(R, r); mine = $5 == "0" ? (d ? worst : "-") : median(D, d)   # a gate of none holds in every round
      got = $4 == "ratio" ? ratio : mine
      gate = $4 == "show" ? "" : "≤ " $5 ($4 == "ratio" ? " × M" : "")
      verdict = $4 == "show" ? "" : got == "-" ? "no valid pair" : got + 0 <= $5 + 0 ? "held" : sprintf("missed by %s", show(got - $5))
      printf "| %s | %s | %s | %s | %s | %s | %d of %d | %s |\n", $1, $3, show(mine), show(median(M, m)), show(ratio), gate, d, rounds[$1], verdict
    }'
}

spoilt() { awk -v id="$id" -v round="$round" '$1 == id && $2 == round && $6 == 0 { found = 1 } END { exit !found }' "$figures"; }

prepare
for id in $SCENARIOS; do
  declare -F "scenario_$id" >/dev/null || die "there is no scenario $id"
done
for id in $SCENARIOS; do
  good=0
  for round in $(seq $((2 * ROUNDS))); do
    for who in dunlin mosquitto; do
      start "$who"
      "scenario_$id"
      stop_all
    done
    say "scenario $id, round $round: $(awk -v id="$id" -v round="$round" '$1 == id && $2 == round { printf "%s %s %s%s; ", $3, $4, $5, $6 ? "" : " (does not count)" }' "$figures")"
    spoilt || good=$((good + 1))
    [ "$good" -lt "$ROUNDS" ] || break
  done
done

echo
echo "$(date -u +%F), $(uname -sm), $(nproc) CPUs, ${OTHER_CMD:-$("$MOSQUITTO" -h | head -n 1)}, load: $([ -n "$MQLOAD" ] && echo mqload || echo dunlin bench), $(git rev-parse --short HEAD 2>/dev/null || echo no commit)"
echo
table
