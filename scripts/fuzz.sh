#!/usr/bin/env bash
# Fuzzes the parsers with libFuzzer (tests/fuzz), one after the other, beginning with real structures.
#   scripts/fuzz.sh [TARGET...] [--seconds N] [--list] [--no-install]      all targets without a name, 60 s each
# Ends with 1 when something was found; the input lies in build/fuzz/findings, and is run again with
#   build/fuzz/tests/fuzz/fuzz_TARGET FILE
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  sed -n '2,5s/^# \{0,1\}//p' "$0"
  exit "$1"
}

seconds=60
install=true
list=false
targets=()
while (($# > 0)); do
  case "$1" in
    --seconds) seconds="${2:?--seconds needs a number}" && shift ;;
    --list) list=true ;;
    --no-install) install=false ;;
    -h | --help) usage 0 ;;
    -*) echo "fuzz.sh: unknown option '$1'" >&2 && usage 2 >&2 ;;
    *) targets+=("$1") ;;
  esac
  shift
done

known=()
for file in tests/fuzz/*.cc; do
  ! grep -q '^TIDELOG_FUZZ_TARGET(' "$file" || known+=("$(basename "$file" .cc)")
done
if "$list"; then
  printf '%s\n' "${known[@]}"
  exit 0
fi
((${#targets[@]} > 0)) || targets=("${known[@]}")
for target in "${targets[@]}"; do
  [[ -e "tests/fuzz/$target.cc" ]] || { echo "fuzz.sh: no target '$target'; there are: ${known[*]}" >&2 && exit 2; }
done

{
  ! "$install" || scripts/install-deps.sh fuzz
  cmake --preset fuzz --log-level=WARNING
  cmake --build --preset fuzz --parallel "$(nproc)" --target fuzz_test "${targets[@]/#/fuzz_}"
} >&2

corpus="$PWD/build/fuzz/corpus"
findings="$PWD/build/fuzz/findings"
mkdir -p "$corpus" "$findings"
TIDELOG_FUZZ_SEEDS="$corpus" build/fuzz/tests/fuzz/fuzz_test -tc='fuzz: the seeds can be written*' >/dev/null

found=()
for target in "${targets[@]}"; do
  log="build/fuzz/$target.log"
  echo "$target: $seconds s" >&2
  if ! "build/fuzz/tests/fuzz/fuzz_$target" "$corpus/$target" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$findings/$target-" >"$log" 2>&1; then
    found+=("$target")
    tail -n 40 "$log" >&2
  fi
  executed="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  echo "$target: ${executed:-?} inputs"
done
if ((${#found[@]} > 0)); then
  echo "found in: ${found[*]} (see $findings)" >&2
  exit 1
fi
