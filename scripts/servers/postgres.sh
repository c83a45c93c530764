#!/usr/bin/env bash
# A throw-away PostgreSQL server for the quickstart, the tests and the benchmarks.
#
#   postgres.sh start DIR [--version 15] [--durable] [--die-with PID] [--option KEY=VALUE]... [--hba LINE]...
#       Makes a server that lives in DIR and waits until it answers; in a DIR that holds one, starts it again on its
#       data and its port. Prints lines that a shell can eval:
#       PGHOST (socket directory), PGPORT, PGUSER, PGDATABASE, URL (socket), URL_TCP (127.0.0.1), PID, LOG
#       --durable        fsync and full page writes on (for benchmarks; otherwise off, which only a power cut would tell)
#       --die-with PID   when that process has ended, however it did, the server is stopped and its files removed
#       --hba LINE       a line of pg_hba.conf that comes before "everybody here is trusted"
#   postgres.sh stop DIR [--immediate]      stops it; the data stays
#   postgres.sh restart DIR [--immediate]   --immediate: without a checkpoint, like a crash
#   postgres.sh remove DIR                  stops it and removes its files
#   postgres.sh env DIR                     prints those lines again
#   postgres.sh psql DIR [ARGUMENT]...      psql as its superuser
#
# Run by root, the server runs as the user postgres (or nobody), in a folder below /tmp if that user cannot reach DIR.
set -euo pipefail

fail() {
  echo "postgres.sh: $*" >&2
  exit 1
}

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

# Sets bin, the folder of the server's programs.
find_programs() {
  bin="/usr/lib/postgresql/$1/bin"
  [[ -x "$bin/postgres" ]] || fail "no PostgreSQL $1 in $bin; to install 15: scripts/install-deps.sh postgres"
}

# Reads what start left in DIR: home (the server's own folder), socket, port, version.
load() {
  [[ -r "$dir/server.env" ]] || fail "no server in $dir"
  # shellcheck disable=SC1091
  . "$dir/server.env"
  find_programs "$version"
}

save() {
  printf '%s=%q\n' home "$home" socket "$socket" port "$port" version "$version" >"$dir/server.env.new"
  mv "$dir/server.env.new" "$dir/server.env"
}

postmaster() { head -n 1 "$home/data/postmaster.pid" 2>/dev/null || true; }

print_env() {
  echo "PGHOST=$socket"
  echo "PGPORT=$port"
  echo "PGUSER=postgres"
  echo "PGDATABASE=postgres"
  echo "URL=postgresql://postgres@${socket//\//%2F}:$port/postgres"
  echo "URL_TCP=postgresql://postgres@127.0.0.1:$port/postgres"
  echo "PID=$(postmaster)"
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
  local cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tidelog"
  local full; full="$("$bin/postgres" --version | sed 's/.*) \([0-9.]*\).*/\1/')"
  local copy="$cache/postgres-$full-data-1.tar"
  if [[ -r "$copy" ]] && tar -xf "$copy" -C "$home" --no-same-owner 2>/dev/null; then
    own "$home/data"
    chmod 700 "$home/data"
    return
  fi
  rm -rf "$home/data"
  as_server "$bin/initdb" -D "$home/data" -U postgres -A trust -N -E UTF8 --locale=C.UTF-8 --no-instructions \
    >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2 && fail "initdb failed in $home/data"; }
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

choose_port() {  # below the range that outgoing connections take theirs from
  port=0
  while ((port == 0)) || (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    port=$((20000 + RANDOM % 12000))
  done
}

# ---- start, stop, watch ----------------------------------------------------------------------------------------------

pg_ctl() { as_server "$bin/pg_ctl" -s -w -t 60 -D "$home/data" "$@"; }

close_inherited() {  # so that nobody who waits for the end of a pipe waits for the server
  local file
  for file in /proc/self/fd/*; do
    file="${file##*/}"
    ((file > 2 && file != 255)) && eval "exec $file>&-"
  done
  return 0
}

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

# When the process began, so that another one with its number is not taken for it; nothing when it has ended.
started_at() {
  local state=() stat
  stat="$(cat "/proc/$1/stat" 2>/dev/null)" || return 0
  read -ra state <<<"${stat##*) }"
  [[ "${state[0]}" == Z ]] || echo "${state[19]}"
}

# The clean-up of last resort: outlives its caller, and ends with the server or with another watch.
watch() {
  local pid="$1" born token="$BASHPID.$RANDOM" server; server="$(postmaster)"
  born="$(started_at "$pid")"
  [[ -n "$born" ]] || fail "--die-with $pid: there is no such process"
  echo "$token" >"$dir/watched"
  (
    close_inherited
    export born dir home socket token server
    exec setsid "$0" watch-for "$pid" </dev/null >/dev/null 2>&1
  ) &
}

watch_for() {
  local pid="$1" owner current
  while [[ "$(started_at "$pid")" == "$born" ]]; do
    owner="$(cat "$dir/watched" 2>/dev/null || true)"
    [[ -z "$owner" || "$owner" == "$token" ]] || exit 0   # a later start is watched by another
    [[ -d "$dir" ]] || break
    [[ -e "$dir/server.env" || -n "$(started_at "$server")" ]] || exit 0   # removed by its owner
    current="$(postmaster)"
    server="${current:-$server}"   # a restart changes it; in a DIR that is being deleted the last one counts
    sleep 0.3
  done
  current="$(postmaster)"
  server="${current:-$server}"
  if [[ -n "$server" && "$(cat "/proc/$server/comm" 2>/dev/null)" == postgres ]]; then
    kill -QUIT "$server" || true
    for _ in {1..100}; do
      [[ -n "$(started_at "$server")" ]] || break
      sleep 0.1
    done
  fi
  remove_files
}

remove_files() {
  rm -rf "$home" "$socket"
  [[ ! -d "$dir" ]] || (cd "$dir" && rm -f watched server.env initdb.log start.err)
  rmdir "$dir" 2>/dev/null || true
}

# ---- commands --------------------------------------------------------------------------------------------------------

start() {
  local durable=off die_with="" options=() hba=()
  version=15
  while (($# > 0)); do
    case "$1" in
      --durable) durable=on && shift ;;
      --version) version="${2:?--version N}" && shift 2 ;;
      --die-with) die_with="${2:?--die-with PID}" && shift 2 ;;
      --option) options+=("${2:?--option KEY=VALUE}") && shift 2 ;;
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
    is_running && fail "the server in $dir is running (process $(postmaster))"
    launch || { cat "$dir/start.err" >&2 && tail -n 20 "$home/log" >&2 && fail "the server in $dir did not start"; }
  else
    find_programs "$version"
    choose_home
    trap 'rm -rf "$home" "$socket"' EXIT
    initialise
    configure "$durable"
    add_options "${options[@]}"
    add_hba "${hba[@]}"
    launch_on_a_free_port
    save
    trap - EXIT
  fi
  [[ -z "$die_with" ]] || watch "$die_with"
  print_env
}

is_running() {
  local pid; pid="$(postmaster)"
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

command="${1:-}"
case "$command" in
  start | stop | restart | remove | env | psql) ;;
  watch-for) watch_for "$2" && exit 0 ;;
  -h | --help) usage 0 ;;
  *) usage 2 >&2 ;;
esac
dir="${2:?postgres.sh $command DIR}"
shift 2
[[ "$dir" == /* ]] || dir="$PWD/$dir"

case "$command" in
  start) start "$@" ;;
  stop) load && stop "$@" ;;
  restart) load && restart "$@" ;;
  remove) load && stop --immediate && remove_files ;;
  env) load && print_env ;;
  psql) load && PGHOST="$socket" PGPORT="$port" PGUSER=postgres exec "$bin/psql" -X -d postgres "$@" ;;
esac
