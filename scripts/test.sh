#!/usr/bin/env bash
# Set-up, build, tests. Ends with ctest's own count, and fails when a test fails or none ran.
#   scripts/test.sh [SUITE...] [--matrix full] [--no-install]
# Suites: unit, integration, crash, tidy (release build), sanitize (unit and crash tests under ASan and UBSan), tsan.
# Without a name: everything in the release build, then sanitize.
#   --matrix full   every server version that is claimed, instead of the two ends
#   --no-install    leave the machine's packages alone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  sed -n '2,7s/^# \{0,1\}//p' scripts/test.sh
  exit "$1"
}

crash_states_min=100000
labels=() sanitizers=() everything=true install=true
export TIDELOG_MATRIX=default
while (($# > 0)); do
  case "$1" in
    unit | integration | crash | tidy) labels+=("$1") && everything=false ;;
    sanitize) sanitizers+=(debug) && everything=false ;;
    tsan) sanitizers+=(tsan) && everything=false ;;
    --no-install) install=false ;;
    --matrix)
      [[ "${2:-}" == full ]] || { echo "test.sh: --matrix knows only 'full'" >&2 && usage 2 >&2; }
      TIDELOG_MATRIX=full
      shift
      ;;
    -h | --help) usage 0 ;;
    *) echo "test.sh: unknown suite '$1'" >&2 && usage 2 >&2 ;;
  esac
  shift
done
if "$everything"; then sanitizers=(debug); fi

build() {
  echo "== building $1 =="
  cmake --preset "$1" --log-level=WARNING
  cmake --build --preset "$1" --parallel "$(nproc)"
}

run() {  # PRESET [ctest argument]...
  echo "== testing $1 =="
  export TIDELOG_CRASH_STATES_FILE="$PWD/build/$1/crash_states.txt"
  rm -f "$TIDELOG_CRASH_STATES_FILE"
  ctest --preset "$1" --parallel "$(nproc)" --no-label-summary --no-tests=error "${@:2}"
  tell_crash_states "$1"
}

# What the crash tests note (tests/support/crash_states.h).
tell_crash_states() {  # PRESET
  [[ -f "$TIDELOG_CRASH_STATES_FILE" ]] || return 0
  local states
  states="$(awk -F'\t' '{ sum += $1 } END { print sum }' "$TIDELOG_CRASH_STATES_FILE")"
  sed 's/^/  /' "$TIDELOG_CRASH_STATES_FILE"
  echo "crash states in all: $states"
  # A sanitizer is slow, and looks at other things; and some suites have few of the crash tests.
  "$everything" || [[ " ${labels[*]} " == *" crash "* ]] || return 0
  if [[ "$1" == release ]] && ((states < crash_states_min)); then
    echo "test.sh: $states crash states, at least $crash_states_min are wanted" >&2
    return 1
  fi
}

if "$install"; then
  scripts/install-deps.sh build test bench
fi

if "$everything" || ((${#labels[@]} > 0)); then
  if [[ "${labels[*]}" == tidy ]]; then
    cmake --preset release --log-level=WARNING   # the checks read the sources and how they would be compiled
  else
    build release
  fi
  if "$everything"; then
    run release
  else
    run release --label-regex "^($(IFS='|' && echo "${labels[*]}"))\$"
  fi
fi
for preset in "${sanitizers[@]}"; do
  build "$preset"
  run "$preset"
done
