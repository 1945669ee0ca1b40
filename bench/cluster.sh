#!/usr/bin/env bash
# Scenario 12: what a message costs three nodes, beside one node under the same load. Prints the figures as a Markdown table,
# and exits with 1 if a message is lost or the gate is missed.
#
#   bench/cluster.sh                                  1,000 to 1,000 at 10,000 messages a second; about four minutes
#   PAIRS=100 RATE=1000 ROUNDS=1 bench/cluster.sh
#
# Environment:
#   PAIRS    publishers, and as many subscribers (1000)
#   RATE     messages a second of all together (10000)
#   QOS      levels to measure (0 1)
#   SHAPE    pairs: publishers and subscribers are spread over all pairs of nodes, so two of three messages go to another node;
#            cross: all publishers are at the first node and all subscribers at the second, so every message does (pairs)
#   ROUNDS   valid pairs of rounds wanted for each QoS (5)
#   TAKE     seconds measured in a round (8)
#   GATE     processor time of the three for each of the one at most, with QoS 1 (2.2)
#   DUNLIN   a dunlin binary to use instead of building one
#   OTHER    a dunlin binary that makes a cluster to compare with instead of one node, an older one say
#   PROFILE  a folder for a profile of each node (perf record), the last round's; it costs time as well
#   KEEP     a file to keep all single figures in
#
# The three nodes are processes on loopback addresses of their own; they and the one run all the time, and get the load by turns.
# A round counts if the rate was reached (99 %) and the median latency was below 5 ms; of the pairs that count, the median
# ratio is shown. Faults of nodes and their network are tests of internal/clustertest.
set -euo pipefail
cd "$(dirname "$0")/.."

PAIRS=${PAIRS:-1000} RATE=${RATE:-10000} QOS=${QOS:-0 1} SHAPE=${SHAPE:-pairs} ROUNDS=${ROUNDS:-5} TAKE=${TAKE:-8} GATE=${GATE:-2.2}
DUNLIN=${DUNLIN:-} OTHER=${OTHER:-} PROFILE=${PROFILE:-}
work=$(mktemp -d)
figures=${KEEP:-$work/figures}
pids=() net=127.$((RANDOM % 254 + 1)).$((RANDOM % 255))
: >"$figures"
say() { printf '%s\n' "$*" >&2; }
die() { say "cluster.sh: $*"; exit 1; }
stop_all() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  done
}
trap 'stop_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
ulimit -n "$(ulimit -Hn)"
if [ -z "$DUNLIN" ]; then
  DUNLIN=$work/dunlin
  go build -o "$DUNLIN" ./cmd/dunlin
fi

start() { # WHO PROGRAM ADDRESS...: a node on each address, and one cluster of them if there are several
  local who=$1 program=$2 seeds='' addr
  shift 2
  for addr in "$@"; do seeds+=,dunlin@$addr; done
  for addr in "$@"; do
    mkdir "$work/$addr"
    (
      export DUNLIN_NODE__NAME=dunlin@$addr DUNLIN_NODE__DATA_DIR=$work/$addr DUNLIN_LISTENER__TCP__EXTERNAL=$addr:1883 \
        DUNLIN_MANAGEMENT__LISTENER__HTTP=off DUNLIN_DASHBOARD__LISTENER__HTTP=off
      [ $# = 1 ] || export DUNLIN_NODE__COOKIE=only-to-measure DUNLIN_CLUSTER__DISCOVERY=static DUNLIN_CLUSTER__STATIC__SEEDS=${seeds#,}
      exec "$program"
    ) >"$work/$addr/log" 2>&1 &
    pids+=($!)
    declare -g "pids_$who=$(eval "echo \${pids_$who:-}"),$!"
  done
  for addr in "$@"; do
    for _ in $(seq 1200); do # until all are there and have what the cluster keeps
      case $("$program" ctl --data-dir "$work/$addr" cluster status 2>&1) in
        *arning*) ;;
        *"running_nodes => [$(printf "'dunlin@%s'," "$@" | sed 's/,$//')],stopped_nodes => []"*) continue 2 ;;
      esac
      sleep 0.1
    done
    cat "$work/$addr/log" >&2
    die "$addr is not one of ${#} running nodes"
  done
}
commas() { (IFS=,; echo "$*"); }

# value reads one of the figures of all together.
value() { sed 's/"pairs":\[[^]]*\],//; s/.*"'"$1"'":\([-+0-9.e]*\).*/\1/' "$work/json"; }
calc() { awk "BEGIN { printf \"%.3f\", ($1) }"; }

load() { # WHO QOS ADDRESS...: one round, and a line of its figures
  local who=$1 qos=$2 pids at=()
  shift 2
  pids=$(eval "echo \${pids_$who#,}")
  case $SHAPE-$# in
    cross-3) at=(--publish-at "$1" --subscribe-at "$2") ;;
    pairs-* | cross-1) at=(-h "$(commas "$@")") ;;
    *) die "SHAPE: expected pairs or cross, got $SHAPE" ;;
  esac
  if [ -n "$PROFILE" ]; then
    for pid in ${pids//,/ }; do
      (sleep 3; exec perf record -q -g -p "$pid" -o "$PROFILE/qos$qos-$who-$pid" -- sleep $((TAKE - 2))) >/dev/null 2>&1 &
    done
  fi
  "$DUNLIN" bench roundtrip "${at[@]}" --pid "$pids" -V 4 -q "$qos" -k 300 -c "$PAIRS" --rate "$RATE" -s 16 -R 5000 --warmup 2 \
    --seconds "$TAKE" --prefix bench --json --quiet >"$work/json"
  echo "$qos $round $who $(calc "$(value broker_cpu_s) * 1e6 / ($(value delivered_per_s) * $(value seconds))") $(value p50_us) $(value p99_us)" \
    "$(value lost) $(value duplicates) $(calc "$(value sent_per_s) >= 0.99 * $RATE && $(value p50_us) < 5000" | cut -c1)" | tee -a "$figures" >&2
}

three=("$net.1" "$net.2" "$net.3") one=("$net.4")
[ -z "$OTHER" ] || one=("$net.4" "$net.5" "$net.6")
start three "$DUNLIN" "${three[@]}"
start one "${OTHER:-$DUNLIN}" "${one[@]}"
for qos in $QOS; do
  good=0
  for round in $(seq $((2 * ROUNDS))); do
    load one "$qos" "${one[@]}"
    load three "$qos" "${three[@]}"
    [ "$(awk -v q="$qos" -v r="$round" '$1 == q && $2 == r { n += $9 } END { print n }' "$figures")" != 2 ] || good=$((good + 1))
    [ "$good" -lt "$ROUNDS" ] || break
  done
done

echo
echo "$(date -u +%F), $(uname -sm), $(nproc) CPUs, $SHAPE, $PAIRS to $PAIRS, $RATE messages a second, $(git rev-parse --short HEAD 2>/dev/null || echo no commit)"
echo
awk -v gate="$GATE" -v beside="${OTHER:+the other three}" '
  function median(a, n,   i, j, t) {
    if (!n) return "-"
    for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] > t; j--) a[j+1] = a[j]; a[j+1] = t }
    return n % 2 ? a[(n+1)/2] : (a[n/2] + a[n/2+1]) / 2
  }
  function show(v) { return v == "-" ? v : sprintf(v >= 100 ? "%.0f" : v >= 10 ? "%.1f" : "%.2f", v) }
  function row(q, what, col, gate,   n, r, x, y, A, B, R, verdict) {
    for (r = 1; r <= rounds[q]; r++) {
      if (!f[q, r, "one", 9] || !f[q, r, "three", 9]) continue
      x = f[q, r, "three", col]; y = f[q, r, "one", col]; n++
      A[n] = x; B[n] = y; R[n] = x / y
    }
    r = median(R, n)
    verdict = gate == "" ? "" : r == "-" ? "no valid pair" : r <= gate ? "held" : "missed"
    if (gate != "" && verdict != "held") bad = 1
    printf "| 12 QoS %s | %s | %s | %s | %s | %s | %d of %d | %s |\n", q, what, show(median(A, n)), show(median(B, n)), show(r), gate == "" ? "" : "≤ " gate, n, rounds[q], verdict
  }
  {
    for (i = 4; i <= 9; i++) f[$1, $2, $3, i] = $i
    rounds[$1] = $2; lost[$1] += $7; twice[$1] += $8
    if (!($1 in seen)) { seen[$1] = 1; order[++levels] = $1 }
  }
  END {
    print "| # | figure | three nodes | " (beside ? beside : "one node") " | ratio | gate | pairs | |\n|--|--|--|--|--|--|--|--|"
    for (l = 1; l <= levels; l++) {
      q = order[l]
      row(q, "CPU per delivery, µs", 4, q == 1 && !beside ? gate : "")
      row(q, "p50, µs", 5, ""); row(q, "p99, µs", 6, "")
      printf "| 12 QoS %s | lost, twice | %d, %d | | | 0, 0 | | %s |\n", q, lost[q], twice[q], lost[q] + twice[q] ? "missed" : "held"
      if (lost[q] + twice[q]) bad = 1
    }
    exit bad
  }' "$figures"
