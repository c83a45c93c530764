#!/usr/bin/env bash
# Installs what tidelog needs on Debian 12, by name and only what is missing. Never asks anything.
#   scripts/install-deps.sh [build] [postgres] [mysql] [test] [bench] [space] [matrix] [fuzz]      without a name: build
# `postgres` is the server that tests, benchmarks and the quickstart start for themselves, `mysql` is MariaDB's and what
# those of MySQL need; `test` includes them.
# `space` is what `scripts/bench.sh space` compares with.
# `matrix` is what fetches the versions that Debian does not have (`test` includes it), `fuzz` the compiler for scripts/fuzz.sh.
set -euo pipefail

build=(g++ cmake ninja-build ccache pkg-config git ca-certificates libexpected-dev libabsl-dev libyaml-cpp-dev
  libcli11-dev libspdlog-dev libfmt-dev libpq-dev libmariadb-dev libicu-dev libssl-dev libsqlite3-dev libzstd-dev zlib1g-dev
  liblz4-dev nlohmann-json3-dev doctest-dev)
postgres=(postgresql-15 postgresql-client-15 util-linux procps)
matrix=(maven unzip xz-utils)
mysql=("${matrix[@]}" mariadb-server-core mariadb-client-core mariadb-client libaio1 libnuma1 util-linux procps)
test=("${postgres[@]}" "${mysql[@]}" clang-format clang-tidy-16 sqlite3 python3 python3-lz4 python3-zstd strace openssl)
bench=("${postgres[@]}" libbenchmark-dev python3)
space=("${bench[@]}" mariadb-server-core mariadb-client-core default-jre-headless maven kcat)
fuzz=(clang-16 libclang-rt-16-dev doctest-dev)

usage() {
  sed -n '2,7s/^# \{0,1\}//p' "$0"
  exit "$1"
}

wanted=()
for group in "${@:-build}"; do
  case "$group" in
    build) wanted+=("${build[@]}") ;;
    postgres) wanted+=("${postgres[@]}") ;;
    mysql) wanted+=("${mysql[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    bench) wanted+=("${bench[@]}") ;;
    space) wanted+=("${space[@]}") ;;
    fuzz) wanted+=("${build[@]}" "${fuzz[@]}") ;;
    matrix) wanted+=("${matrix[@]}") ;;
    -h | --help) usage 0 ;;
    *) echo "install-deps.sh: unknown group '$group'" >&2 && usage 2 >&2 ;;
  esac
done

is_debian_12() {
  [[ -r /etc/os-release ]] || return 1
  # shellcheck disable=SC1091
  [[ "$(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-}")" == "debian 12" ]]
}

if ! is_debian_12; then
  {
    echo "install-deps.sh knows Debian 12 only, and changes nothing here. What tidelog needs, by Debian's names:"
    printf '  %s\n' "${wanted[@]}" | sort -u
    echo "Install their counterparts, then build with: cmake --preset release && cmake --build --preset release"
  } >&2
  exit 1
fi

missing=()
for package in $(printf '%s\n' "${wanted[@]}" | sort -u); do
  status="$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)"
  [[ "$status" == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "install-deps.sh: run this as root (there is no sudo): apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo -n)
  if ! sudo -n true 2>/dev/null; then
    if [[ ! -t 0 ]]; then
      echo "install-deps.sh: sudo asks for a password and there is no terminal. Run as root:" >&2
      echo "  apt-get install ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
fi

# Debian's server package makes a cluster and starts it. Ours are throw-away, so for this one installation it is told not to.
no_cluster=/etc/postgresql-common/createcluster.d/tidelog-install.conf
forbid_cluster() {
  [[ " ${missing[*]} " == *" postgresql-15 "* ]] || return 0
  trap '"${as_root[@]}" rm -f "$no_cluster"' EXIT
  "${as_root[@]}" mkdir -p "${no_cluster%/*}"
  echo "create_main_cluster = false" | "${as_root[@]}" tee "$no_cluster" >/dev/null
}

apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >/dev/null
}
install_missing() { apt install --yes --no-install-recommends "${missing[@]}"; }

echo "Installing ${missing[*]}" >&2
forbid_cluster
if apt-cache show "${missing[@]}" >/dev/null 2>&1 && install_missing; then
  exit 0
fi
apt update   # the machine's lists are missing or old
install_missing
