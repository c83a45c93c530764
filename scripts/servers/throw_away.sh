# What the scripts of all throw-away servers share, for `source`: where programs are fetched from and kept, and the care that a
# server is gone when whoever wanted it is. They set kill_signal, have start, stop, restart, load, print_env and usage, and these functions and
# variables:
#   dir, home, socket     the folder that was asked for; the server's own; the one of its socket
#   server_process        prints the number of the server's process, or nothing
# shellcheck shell=bash disable=SC2154

cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tidelog"

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# ---- programs that Debian does not have ------------------------------------------------------------------------------

need_for() {  # WHAT PROGRAM...
  local program
  for program in "${@:2}"; do
    command -v "$program" >/dev/null || fail "$1 needs $program: scripts/install-deps.sh matrix"
  done
}

# fetch_from_maven FOLDER GROUP:ARTIFACT VERSION: the one jar, to FOLDER/out
fetch_from_maven() {
  cat >"$1/pom.xml" <<EOF
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>none</groupId><artifactId>none</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>${2%:*}</groupId><artifactId>${2#*:}</artifactId><version>$3</version>
    <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>
  </dependency></dependencies>
</project>
EOF
  mvn -q -B -f "$1/pom.xml" dependency:copy-dependencies -DoutputDirectory="$1/out" \
    >"$1/log" 2>&1 || { cat "$1/log" >&2 && fail "$2 $3 could not be fetched from Maven Central"; }
}

# fetch_from_debian FOLDER SUITE PACKAGE... [-- PACKAGE]: with all that they depend on, but for the one after --, unpacked to
# FOLDER/tree. Nothing of this machine's own packages is touched.
fetch_from_debian() {
  local folder="$1" suite="$2" wanted=() alone="" mirror deb apt
  shift 2
  while (($# > 0)); do
    [[ "$1" == -- ]] && alone="$2" && break
    wanted+=("$1") && shift
  done
  mirror="$(apt-get indextargets --format "\$(REPO_URI)" "Identifier: Packages" | grep -m1 -E '/debian/?$')" ||
    fail "the machine's apt sources name no mirror of Debian"
  mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$folder/tree"
  : >"$folder/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$folder/sources.list"
  apt=(apt-get -qq -o "Dir::State=$folder/state" -o "Dir::State::status=$folder/status" -o "Dir::Cache=$folder/cache"
    -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User=root
    -o APT::Install-Recommends=false -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false)
  {
    "${apt[@]}" update && "${apt[@]}" install --yes --download-only "${wanted[@]}" &&
      { [[ -z "$alone" ]] || (cd "$folder/cache/archives" && "${apt[@]}" download "$alone"); }
  } >"$folder/log" 2>&1 || { cat "$folder/log" >&2 && fail "${wanted[0]} could not be fetched from Debian $suite"; }
  for deb in "$folder"/cache/archives/*.deb; do
    case "${deb##*/}" in
      perl* | libperl* | libc-gconv* | libdb* | libgdbm* | gcc-*) ;;   # no server needs them
      *) dpkg-deb -x "$deb" "$folder/tree" ;;
    esac
  done
}

# keep_tree FROM TREE: whole or not at all. Another start may have been faster.
keep_tree() {
  mkdir -p "${2%/*}"
  chmod -R go+rX "$1"
  mv -T "$1" "$2.$$"
  mv -T "$2.$$" "$2" 2>/dev/null || rm -rf "$2.$$"
}

# ---- its port, and its end -------------------------------------------------------------------------------------------

choose_port() {  # below the range that outgoing connections take theirs from
  port=0
  while ((port == 0)) || (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    port=$((20000 + RANDOM % 12000))
  done
}

close_inherited() {  # so that nobody who waits for the end of a pipe waits for the server
  local file
  for file in /proc/self/fd/*; do
    file="${file##*/}"
    ((file > 2 && file != 255)) && eval "exec $file>&-"
  done
  return 0
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
  local pid="$1" born token="$BASHPID.$RANDOM" server server_born
  server="$(server_process)"
  server_born="$(started_at "$server")"
  born="$(started_at "$pid")"
  [[ -n "$born" ]] || { kill_server && fail "--die-with $pid: there is no such process"; }
  echo "$token" >"$dir/watched"
  (
    close_inherited
    export born dir home socket token server server_born
    exec setsid "$0" watch-for "$pid" </dev/null >/dev/null 2>&1
  ) &
}

watch_for() {
  local pid="$1" owner
  while [[ "$(started_at "$pid")" == "$born" ]]; do
    owner="$(cat "$dir/watched" 2>/dev/null || true)"
    [[ -z "$owner" || "$owner" == "$token" ]] || exit 0   # a later start is watched by another
    [[ -d "$dir" ]] || break
    [[ -e "$dir/server.env" || -n "$(started_at "$server")" ]] || exit 0   # removed by its owner
    note_server
    sleep 0.3
  done
  if [[ "$(cat "$dir/watched" 2>/dev/null)" == "$token" ]]; then
    note_server
    kill_server
    remove_files
  else   # DIR was deleted, perhaps made anew for another server: only what is surely ours
    kill_server
    [[ "$home" == "$dir"/* ]] || rm -rf "$home"
    [[ "$socket" == "$dir"/* ]] || rm -rf "$socket"
  fi
}

# A restart changes the server's process; when DIR is being deleted, the last one seen counts.
note_server() {
  local current; current="$(server_process)"
  [[ "$(cat "$dir/watched" 2>/dev/null)" == "$token" ]] || current="$server"
  if [[ -n "$current" && ( "$current" != "$server" || -z "$server_born" ) ]]; then
    server="$current"
    server_born="$(started_at "$server")"
  fi
}

kill_server() {
  [[ -n "$server" && -n "$server_born" && "$(started_at "$server")" == "$server_born" ]] || return 0
  kill "-$kill_signal" "$server" || true
  for _ in {1..100}; do
    [[ "$(started_at "$server")" == "$server_born" ]] || break
    sleep 0.1
  done
}

remove_files() {
  rm -rf "$home" "$socket"
  [[ ! -d "$dir" ]] || (cd "$dir" && rm -f watched server.env initialise.log start.err)
  rmdir "$dir" 2>/dev/null || true
}

# ---- the command line ------------------------------------------------------------------------------------------------

# run_command CLIENTS COMMAND DIR [ARGUMENT]...: CLIENTS are the script's own commands, each a function client_NAME
run_command() {
  local clients=" $1 " command="${2:-}"
  shift
  case "$command" in
    start | stop | restart | remove | env) ;;
    watch-for) watch_for "$2" && exit 0 ;;
    -h | --help) usage 0 ;;
    *) [[ -n "$command" && "$clients" == *" $command "* ]] || usage 2 >&2 ;;
  esac
  dir="${2:?$(basename "$0") $command DIR}"
  shift 2
  [[ "$dir" == /* ]] || dir="$PWD/$dir"
  case "$command" in
    start) start "$@" ;;
    stop) load && stop "$@" ;;
    restart) load && restart "$@" ;;
    remove) load && stop --immediate && remove_files ;;
    env) load && print_env ;;
    *) load && "client_$command" "$@" ;;
  esac
}
