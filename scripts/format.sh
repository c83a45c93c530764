#!/usr/bin/env bash
# Formats every C++ file of the checkout in place: scripts/format.sh [FILE...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if (($# > 0)); then
  exec clang-format -i "$@"
fi
git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cc' | xargs -0 --no-run-if-empty clang-format -i
