#!/usr/bin/env bash
# Long runs of the seeded tests: crash states of the store, faults, random values, kills under load.
#   scripts/soak.sh [SUITE...] [--minutes N] [--states N] [--seed N] [--no-install]
# Suites: crash (crash states and faults of the store), kill (SIGKILL under load on a real Postgres), fuzz (decoders, differential
# tests), types (random values of random types of a real Postgres), states (crash states of a store with everything at
# work: --states of them, a million unless told otherwise, on every processor, no longer than --minutes), scale (once: 10 million
# rows in one transaction, a gigabyte of rows, 100,000 tables, 1,600 columns, values of 50 MB; an hour and 20 GB of disk at most).
# Without a name: crash, kill, fuzz and types in turn. Ten minutes each unless told otherwise.
# Every round has a new seed, the first one --seed if given. A failure prints it: rerun with TIDELOG_TEST_SEED=SEED and the line
# that is shown.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  sed -n '2,10s/^# \{0,1\}//p' scripts/soak.sh
  exit "$1"
}

number() {  # OPTION VALUE
  [[ "$2" =~ ^[0-9]+$ ]] || { echo "soak.sh: $1 needs a number" >&2 && usage 2 >&2; }
  echo "$2"
}

suites=() minutes="" states="" seed="" install=true
while (($# > 0)); do
  case "$1" in
    crash | kill | fuzz | types | states | scale) suites+=("$1") ;;
    --minutes) minutes="$(number "$1" "${2:-}")"; shift ;;
    --states) states="$(number "$1" "${2:-}")"; shift ;;
    --seed) seed="$(number "$1" "${2:-}")"; shift ;;
    --no-install) install=false ;;
    -h | --help) usage 0 ;;
    *) echo "soak.sh: unknown suite '$1'" >&2 && usage 2 >&2 ;;
  esac
  shift
done
if ((${#suites[@]} == 0)); then
  if [[ -n "$states" ]]; then suites=(states); else suites=(crash kill fuzz types); fi
fi

programs_of() {
  case "$1" in
    crash) echo eventstore/eventstore_crash_test projections/crash_simulator_test ;;
    kill) echo integration/kill_integration_test ;;
    fuzz) echo core/core_test postgres/postgres_test projections/projections_test ;;
    types) echo integration/postgres_values_integration_test ;;
  esac
}

next_seed() {
  if [[ -n "$seed" ]]; then echo "$seed" && return; fi
  echo $((RANDOM * 32768 + RANDOM))
}

rounds_of() {  # SUITE
  local rounds=0 end=$((SECONDS + ${minutes:-10} * 60)) round_seed program command
  while ((SECONDS < end)); do
    rounds=$((rounds + 1))
    round_seed="$(next_seed)"
    seed=""
    for program in $(programs_of "$1"); do
      command="build/release/tests/$program"
      TIDELOG_TEST_SEED="$round_seed" "$command" || {
        echo "soak.sh: $1 failed in round $rounds. Rerun: TIDELOG_TEST_SEED=$round_seed $command" >&2
        exit 1
      }
    done
  done
  echo "soak.sh: $1: $rounds rounds passed"
}

# One process a processor, each with seeds of its own.
crash_states() {
  local program=build/release/tests/projections/crash_simulator_test
  local wanted="${states:-1000000}" first folder processes=() process failed=0 sum
  first="$(next_seed)"
  folder="$(mktemp -d)"
  echo "soak.sh: $wanted crash states, seed $first"
  for ((process = 0; process < $(nproc); ++process)); do
    TIDELOG_TEST_SEED=$((first + process * 1000000)) TIDELOG_CRASH_STATES=$(((wanted + $(nproc) - 1) / $(nproc))) \
      TIDELOG_CRASH_MINUTES="$minutes" TIDELOG_CRASH_STATES_FILE="$folder/states" \
      "$program" --test-case='simulator:*(1)' > "$folder/$process.log" 2> >(sed "s/^/process $process: /" >&2) &
    processes+=($!)
  done
  for process in "${!processes[@]}"; do
    wait "${processes[$process]}" || { failed=1 && grep -h "ERROR" "$folder/$process.log" >&2 || true; }
  done
  sum="$(awk -F'\t' '{ sum += $1 } END { print sum + 0 }' "$folder/states" 2> /dev/null || echo 0)"
  rm -rf "$folder"
  if ((failed != 0)); then
    echo "soak.sh: states failed. Rerun with the TIDELOG_TEST_SEED that is shown: $program --test-case='simulator:*(1)'" >&2
    exit 1
  fi
  echo "soak.sh: states: $sum crash states passed, seed $first"
}

# Everything as large as is promised; each case looks for the space that it needs.
full_scale() {
  TIDELOG_SCALE=full timeout 3600 build/release/tests/integration/scale_integration_test || {
    echo "soak.sh: scale failed, or took more than an hour" >&2
    exit 1
  }
}

if "$install"; then scripts/install-deps.sh build test; fi
cmake --preset release --log-level=WARNING
case "${suites[*]}" in
  states) targets=(--target crash_simulator_test) ;;
  scale) targets=(--target tidelog scale_integration_test) ;;
  *) targets=() ;;
esac
cmake --build --preset release --parallel "$(nproc)" "${targets[@]}"

for suite in "${suites[@]}"; do
  case "$suite" in
    states) crash_states ;;
    scale) full_scale ;;
    *) rounds_of "$suite" ;;
  esac
done
