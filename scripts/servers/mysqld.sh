# What mysql.sh and mariadb.sh share, for `source`: everything but where the programs come from and how an empty database is
# made. They have these functions, which set arrays:
#   find_programs VERSION   program: the server's command with what it needs to find its own files; tools: how one of its
#                           client programs is run; fetches it first if that is wanted
#   initialise_data         makes $home/data, with $home/my.cnf and what it says on the way to $dir/initialise.log
# and initial_data, a name for that data folder which tells its version.
# shellcheck shell=bash disable=SC2154,SC2034

# shellcheck source=scripts/servers/throw_away.sh
. "$(dirname "${BASH_SOURCE[0]}")/throw_away.sh"
kill_signal=KILL   # data that is thrown away need not be written
script="$(basename "$0")"

# Reads what start left in DIR: home (the server's own folder), socket (its folder), port, version.
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

server_process() { head -n 1 "$home/pid" 2>/dev/null || true; }

print_env() {
  echo "HOST=127.0.0.1"
  echo "PORT=$port"
  echo "SOCKET=$(printf '%q' "$socket/s")"
  echo "USER=root"
  echo "URL=mysql://root@127.0.0.1:$port"
  echo "PID=$(server_process)"
  echo "LOG=$(printf '%q' "$home/server.log")"
  echo "DATA=$(printf '%q' "$home/data")"
}

# ---- a new server ----------------------------------------------------------------------------------------------------

choose_home() {
  home="$dir/server"
  mkdir -p "$home"
  socket="$home"
  if ((${#socket} > 90)); then socket="$(mktemp -d /tmp/tidelog-my.XXXXXX)"; fi   # the system's limit for its path is 107 bytes
}

# What a version does not know is passed over: loose.
configure() {
  local durable="$1"
  cat >"$home/my.cnf" <<EOF
[mysqld]
datadir = $home/data
socket = $socket/s
pid-file = $home/server.pid
log-error = $home/server.log
bind-address = 127.0.0.1
skip-name-resolve
secure-file-priv =
default-time-zone = +00:00
server-id = 1
log-bin = binlog
binlog-format = ROW
loose-binlog-row-metadata = FULL
max-allowed-packet = 1G
performance-schema = OFF
innodb-buffer-pool-size = 64M
loose-innodb-redo-log-capacity = 32M
loose-innodb-log-file-size = 16M
loose-mysqlx = OFF
EOF
  ((EUID != 0)) || echo "user = root" >>"$home/my.cnf"
  "$durable" || cat >>"$home/my.cnf" <<EOF
sync-binlog = 0
innodb-flush-log-at-trx-commit = 2
innodb-doublewrite = OFF
EOF
}

add_options() {
  local option
  for option in "$@"; do
    [[ "$option" == *=* ]] || fail "--option takes KEY=VALUE, not '$option'"
    echo "$option" >>"$home/my.cnf"
  done
}

add_tls() {
  local file folder="$1"
  [[ -n "$folder" ]] || return 0
  for file in server.crt server.key root.crt; do cp "$folder/$file" "$home/$file"; done
  add_options "ssl-cert=$home/server.crt" "ssl-key=$home/server.key" "ssl-ca=$home/root.crt"
}

# Takes the data folder from the cache of initialised ones, or makes it and leaves a copy there.
initialise() {
  local copy="$cache/$initial_data.tar"
  if [[ -r "$copy" ]] && tar -xf "$copy" -C "$home" --no-same-owner 2>/dev/null; then return; fi
  rm -rf "$home/data"
  initialise_data >"$dir/initialise.log" 2>&1 ||
    { cat "$dir/initialise.log" >&2 && tail -n 20 "$home/server.log" >&2 && fail "the data folder $home/data could not be made"; }
  rm -f "$home/data/auto.cnf"   # so that each copy gets a server_uuid of its own
  if mkdir -p "$cache" 2>/dev/null && tar -cSf "$copy.$$" -C "$home" data 2>/dev/null; then
    mv "$copy.$$" "$copy"
  else
    rm -f "$copy.$$" 2>/dev/null || true
  fi
}

# ---- start, stop -----------------------------------------------------------------------------------------------------

is_running() {
  local pid; pid="$(server_process)"
  [[ -n "$pid" ]] && kill -0 "$pid" 2>/dev/null
}

launch() {
  local said=0
  [[ ! -e "$home/server.log" ]] || said="$(stat -c %s "$home/server.log")"
  (
    close_inherited
    exec setsid bash -c 'echo $$ >"$0"; exec "$@"' "$home/pid" "${program[0]}" "${program[@]:1:before_defaults}" \
      "--defaults-file=$home/my.cnf" "${program[@]:1+before_defaults}" "--port=$port" </dev/null >"$dir/start.err" 2>&1
  ) &
  for _ in {1..1200}; do
    sleep 0.05
    # MySQL writes no line to its log before that is open.
    if tail -c "+$((said + 1))" "$home/server.log" 2>/dev/null | grep -q "ready for connections"; then return 0; fi
    [[ -z "$(server_process)" ]] || is_running || return 1
  done
  return 1
}

launch_on_a_free_port() {
  for _ in 1 2 3 4 5; do
    choose_port
    launch && return
    grep -q "Address already in use" "$home/server.log" || break
    rm -f "$home/pid"
  done
  fail_to_start
}

fail_to_start() {
  if is_running; then kill -KILL "$(server_process)"; fi
  cat "$dir/start.err" >&2
  tail -n 30 "$home/server.log" >&2
  fail "the server in $home did not start"
}

start() {
  local durable=false die_with="" tls="" options=()
  version="$version_by_default"
  while (($# > 0)); do
    case "$1" in
      --durable) durable=true && shift ;;
      --version) version="${2:?--version N}" && shift 2 ;;
      --die-with) die_with="${2:?--die-with PID}" && shift 2 ;;
      --option) options+=("${2:?--option KEY=VALUE}") && shift 2 ;;
      --tls) tls="${2:?--tls FOLDER}" && shift 2 ;;
      *) fail "start: unknown argument '$1'" ;;
    esac
  done
  mkdir -p "$dir"
  if [[ -r "$dir/server.env" ]]; then
    load
    [[ -d "$home/data" ]] || fail "the data of the server in $dir is gone: $script remove $dir"
    add_options "${options[@]}"
    add_tls "$tls"
    is_running && fail "the server in $dir is running (process $(server_process))"
    launch || fail_to_start
  else
    find_programs "$version"
    choose_home
    trap 'rm -rf "$home" "$socket"' EXIT
    configure "$durable"
    initialise
    configure_replication
    add_options "${options[@]}"
    add_tls "$tls"
    launch_on_a_free_port
    save
    trap - EXIT
  fi
  [[ -z "$die_with" ]] || watch "$die_with"
  print_env
}

stop() {
  local signal=TERM pid
  case "${1:-}" in
    "") ;;
    --immediate) signal=KILL ;;
    *) fail "unknown argument '$1'" ;;
  esac
  is_running || return 0
  pid="$(server_process)"
  kill "-$signal" "$pid"
  for _ in {1..1200}; do
    # MySQL would believe in the lock as long as nobody has collected its dead process.
    [[ -n "$(started_at "$pid")" ]] || { rm -f "$socket/s.lock" && return 0; }
    sleep 0.05
  done
  fail "the server in $home (process $pid) does not end"
}

restart() {
  stop "$@"
  launch || fail_to_start
  print_env
}

client_sql() { exec mariadb --no-defaults --socket="$socket/s" --user=root --skip-ssl "$@"; }
