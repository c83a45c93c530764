#!/usr/bin/env bash
# Long runs of the seeded tests: crash states of the store, faults, random values, kills under load.
#   scripts/soak.sh [SUITE...] [--minutes N] [--no-install]
# Suites: crash (crash states and faults of the store), kill (SIGKILL under load on a real Postgres), fuzz (decoders, differential
# tests). Without a name: all in turn. Ten minutes each unless told otherwise.
# Every round has a new seed. A failure prints it: rerun with TIDELOG_TEST_SEED=SEED and the line that is shown.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  sed -n '2,6s/^# \{0,1\}//p' scripts/soak.sh
  exit "$1"
}

suites=() minutes=10 install=true
while (($# > 0)); do
  case "$1" in
    crash | kill | fuzz) suites+=("$1") ;;
    --minutes)
      [[ "${2:-}" =~ ^[0-9]+$ ]] || { echo "soak.sh: --minutes needs a number" >&2 && usage 2 >&2; }
      minutes="$2"
      shift
      ;;
    --no-install) install=false ;;
    -h | --help) usage 0 ;;
    *) echo "soak.sh: unknown suite '$1'" >&2 && usage 2 >&2 ;;
  esac
  shift
done
((${#suites[@]} > 0)) || suites=(crash kill fuzz)

programs_of() {
  case "$1" in
    crash) echo eventstore/eventstore_crash_test ;;
    kill) echo integration/kill_integration_test ;;
    fuzz) echo core/core_test postgres/postgres_test projections/projections_test ;;
  esac
}

if "$install"; then scripts/install-deps.sh build test; fi
cmake --preset release --log-level=WARNING
cmake --build --preset release --parallel "$(nproc)"

for suite in "${suites[@]}"; do
  rounds=0 end=$((SECONDS + minutes * 60))
  while ((SECONDS < end)); do
    rounds=$((rounds + 1))
    seed=$((RANDOM * 32768 + RANDOM))
    for program in $(programs_of "$suite"); do
      command="build/release/tests/$program"
      TIDELOG_TEST_SEED="$seed" "$command" || {
        echo "soak.sh: $suite failed in round $rounds. Rerun: TIDELOG_TEST_SEED=$seed $command" >&2
        exit 1
      }
    done
  done
  echo "soak.sh: $suite: $rounds rounds passed"
done
