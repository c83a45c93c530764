#!/usr/bin/env bash
# Benchmarks, each figure a ratio within one run where a peer or a limit exists.
#   scripts/bench.sh [SUITE...] [--json] [--no-install]
# Suites: store (beside bare loops on the same disk), postgres (beside a bare receive loop, pg_recvlogical, COPY and, where there is a
# Go compiler, pglogrepl), mysql (bare reading of MySQL's and MariaDB's binlog beside their own clients; decoding alone beside
# mariadb-binlog and, where there is cargo, mysql_cdc), space (bytes an event, beside the WAL, MariaDB's binlog and Kafka's log for the
# same rows). Without a name: store and postgres.
# Prints a table, or with --json one object a line: {"suite","figure","value","unit","goal","met","how"}.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  sed -n '2,8s/^# \{0,1\}//p' scripts/bench.sh
  exit "$1"
}

suites=() json=false install=true
for argument in "$@"; do
  case "$argument" in
    store | postgres | mysql | space) suites+=("$argument") ;;
    --json) json=true ;;
    --no-install) install=false ;;
    -h | --help) usage 0 ;;
    *) echo "bench.sh: unknown suite '$argument'" >&2 && usage 2 >&2 ;;
  esac
done
((${#suites[@]} > 0)) || suites=(store postgres)

{
  ! "$install" || scripts/install-deps.sh build test bench
  ! "$install" || [[ " ${suites[*]} " != *" space "* ]] || scripts/install-deps.sh space
  cmake --preset release --log-level=WARNING
  cmake --build --preset release --parallel "$(nproc)" \
    --target tidelog store_bench read_bench state_bench upkeep_bench receive_loop store_watch binlog_loop binlog_decode
} >&2

folder="$PWD/build/bench"
rm -rf "$folder"
mkdir -p "$folder"
trap 'rm -rf "$folder"' EXIT

run() {
  case "$1" in
    store)
      build/release/bench/store_bench "$folder/store"
      build/release/bench/read_bench "$folder/reads"
      build/release/bench/state_bench "$folder/state"
      build/release/bench/upkeep_bench "$folder/upkeep"
      ;;
    postgres)
      peer="$folder/pglogrepl"
      (cd bench/peers/pglogrepl && go build -o "$peer" .) >&2 || peer=""
      python3 bench/postgres_bench.py build/release/app/tidelog build/release/bench scripts/servers/postgres.sh "$folder/postgres" \
        --go-peer "$peer"
      ;;
    mysql)
      python3 bench/mysql_bench.py build/release/bench/binlog_loop scripts/servers "$folder/mysql"
      peer="$folder/mysql_cdc/release/mysql_cdc_decode"
      cargo build --release --quiet --manifest-path bench/peers/mysql_cdc/Cargo.toml --target-dir "$folder/mysql_cdc" >&2 || peer=""
      python3 bench/mysql_decode_bench.py build/release/bench/binlog_decode scripts/servers/mariadb.sh "$folder/decode" --rust-peer "$peer"
      ;;
    space) python3 bench/space_bench.py build/release/app/tidelog scripts/servers/postgres.sh "$folder/space" ;;
  esac
}

table() {
  python3 -c '
import json, sys
for line in sys.stdin:
    f = json.loads(line)
    verdict = "" if not f["goal"] else ("met" if f["met"] else "NOT MET") + ", goal %g" % f["goal"]
    print("%-9s %-52s %14s %-26s %-24s %s" % (f["suite"], f["figure"], "{:,.3f}".format(f["value"]).rstrip("0").rstrip("."),
                                             f["unit"], verdict, f["how"]), flush=True)
'
}

for suite in "${suites[@]}"; do
  if "$json"; then run "$suite"; else run "$suite" | table; fi
done
