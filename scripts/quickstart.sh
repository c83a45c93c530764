#!/usr/bin/env bash
# tidelog in two minutes, on a throw-away database: capture, look back, undo an accident. Installs what is missing and
# builds first; leaves nothing running and nothing behind.
#   scripts/quickstart.sh [--database postgres|mysql|mariadb] [--keep] [--no-install]
#   --database     which one; postgres without a word
#   --keep         leaves the database, the capture and all files, and says how to go on and how to end them
#   --no-install   leaves the machine's packages alone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  sed -n '2,7s/^# \{0,1\}//p' "$0"
}

keep=false install=true database=postgres
while (($# > 0)); do
  case "$1" in
    --keep) keep=true ;;
    --no-install) install=false ;;
    --database)
      database="${2:-}"
      [[ "$database" =~ ^(postgres|mysql|mariadb)$ ]] ||
        { echo "quickstart.sh: --database is postgres, mysql or mariadb" >&2 && usage >&2 && exit 2; }
      shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) echo "quickstart.sh: unknown argument '$1'" >&2 && usage >&2 && exit 2 ;;
  esac
  shift
done

# ---- telling and waiting -----------------------------------------------------------------------------------------------

bold="" plain=""
if [[ -t 1 ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi

step() { printf '\n%s== %s ==%s\n' "$bold" "$1" "$plain"; }
say() { printf '%s\n' "$@"; }
# Shows the command as the reader would type it, and runs it.
show() {
  printf '%s$ tidelog %s%s\n' "$bold" "$*" "$plain"
  "$tidelog" "$@"
}
give_up() {
  echo "quickstart.sh: $1" >&2
  [[ -z "${folder:-}" || ! -s "$folder/run.log" ]] || { echo "What tidelog said:" >&2 && tail -n 20 "$folder/run.log" >&2; }
  exit 1
}
# Tries a command again until it succeeds, for at most SECONDS.
wait_for() {
  local what="$1" seconds="$2" end
  shift 2
  end=$((SECONDS + seconds))
  until "$@"; do
    kill -0 "$capture" 2>/dev/null || give_up "tidelog run ended while we waited for $what"
    ((SECONDS < end)) || give_up "waited $seconds seconds for $what"
    sleep 0.2
  done
}
streams() { "$tidelog" source status -c "$config" --json 2>/dev/null | grep -q '"state":"streaming"'; }

# ---- the databases -----------------------------------------------------------------------------------------------------

server() { scripts/servers/"$1".sh "$2" "$folder/database" "${@:3}"; }
# One statement or several; prints what they answer, without frames.
sql() { "sql_of_$database" "$1"; }
sql_of_postgres() { server postgres psql -v ON_ERROR_STOP=1 -qtA -c "$1"; }
sql_of_mysql() { server "$database" sql --skip-column-names --batch shop -e "$1"; }
sql_of_mariadb() { sql_of_mysql "$1"; }

make_shop_in_postgres() {
  sql "
    CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL);
    CREATE TABLE orders (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      customer_id bigint NOT NULL REFERENCES customers,
      status text NOT NULL DEFAULT 'new',
      amount numeric(10, 2) NOT NULL,
      placed_at timestamptz NOT NULL DEFAULT now());
    INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Edsger'), (4, 'Barbara');
    INSERT INTO orders (customer_id, amount) SELECT n % 4 + 1, n * 1.25 FROM generate_series(1, 1000) n;"
}
make_shop_in_mysql() {
  server "$database" sql -e "CREATE DATABASE shop"
  sql "
    CREATE TABLE customers (id bigint PRIMARY KEY, name varchar(100) NOT NULL);
    CREATE TABLE orders (
      id bigint AUTO_INCREMENT PRIMARY KEY,
      customer_id bigint NOT NULL,
      status varchar(20) NOT NULL DEFAULT 'new',
      amount decimal(10, 2) NOT NULL,
      placed_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
      FOREIGN KEY (customer_id) REFERENCES customers (id));
    INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Edsger'), (4, 'Barbara');
    INSERT INTO orders (customer_id, amount)
      WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
      SELECT i % 4 + 1, i * 1.25 FROM n;"
}

work_in_postgres() {
  sql "
    DO \$\$
    DECLARE placed bigint;
    BEGIN
      FOR n IN 1..300 LOOP
        INSERT INTO orders (customer_id, amount) VALUES (n % 4 + 1, n) RETURNING id INTO placed;
        COMMIT;
        UPDATE orders SET status = 'paid' WHERE id = placed - 2;
        UPDATE orders SET status = 'sent', amount = amount + 4.90 WHERE id = placed - 5;
        COMMIT;
        IF n % 10 = 0 THEN DELETE FROM orders WHERE id = placed - 700; COMMIT; END IF;
        PERFORM pg_sleep(0.01);
      END LOOP;
    END \$\$;"
}
work_in_mysql() {
  local n
  for ((n = 1; n <= 300; ++n)); do
    echo "INSERT INTO orders (customer_id, amount) VALUES ($n % 4 + 1, $n);
      SET @placed = LAST_INSERT_ID();
      BEGIN;
      UPDATE orders SET status = 'paid' WHERE id = @placed - 2;
      UPDATE orders SET status = 'sent', amount = amount + 4.90 WHERE id = @placed - 5;
      COMMIT;"
    if ((n % 10 == 0)); then echo "DELETE FROM orders WHERE id = @placed - 700;"; fi
    sleep 0.01
  done | server "$database" sql --unbuffered shop
}

key="$database" schema=shop kind=mysql client="$database" now="SELECT UTC_TIMESTAMP(6)"
case "$database" in
  postgres)
    schema=public kind=postgres client=psql
    now="SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    ;;
  mariadb) key=mysql ;;
esac
orders="shop.$schema.orders"

# ---- nothing is left behind --------------------------------------------------------------------------------------------

folder="" capture="" workload=""
end_process() {  # PID: asks it to stop, and waits
  [[ -n "$1" ]] || return 0
  kill -TERM "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}
clean_up() {
  local code=$?
  trap - EXIT INT TERM HUP
  if "$keep" && ((code == 0)); then exit 0; fi
  end_process "$workload"
  end_process "$capture"
  if [[ -n "$folder" ]]; then
    server "$database" remove >/dev/null 2>&1 || true
    rm -rf "$folder"
  fi
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- set-up ------------------------------------------------------------------------------------------------------------

step "Building tidelog"
if "$install"; then scripts/install-deps.sh build test; fi
cmake --preset release --log-level=WARNING
cmake --build --preset release --parallel "$(nproc)" --target tidelog
tidelog="$PWD/build/release/app/tidelog"
say "Built: $("$tidelog" --version)"
SECONDS=0

folder="$(mktemp -d "$PWD/build/quickstart.XXXXXX")"
chmod 755 "$folder"   # the database's own user has to come through
config="${folder#"$PWD/"}/shop.yaml"

step "1. A database with a shop in it"
die_with=(--die-with $$)
if "$keep"; then die_with=(); fi
eval "$(server "$database" start "${die_with[@]}")"
export SHOP_DATABASE_URL="$URL"
"make_shop_in_$kind"
say "A throw-away $database runs in $folder/database, with 4 customers and 1000 orders that existed before tidelog came."

step "2. Capturing it: five settings and one command"
cat >"$config" <<EOF
store: { path: ./store }
sources:
  - name: shop
    $key: \${SHOP_DATABASE_URL}
    tables: [$schema.orders, $schema.customers]
EOF
cat "$config"
say ""
show check -c "$config"
printf '%s$ tidelog run -c %s &%s\n' "$bold" "$config" "$plain"
"$tidelog" run -c "$config" 2>"$folder/run.log" &
capture=$!
wait_for "the existing rows to be loaded" 60 streams
say "The rows that existed are in the store. From here on every committed change is added the moment it happens."
show source status -c "$config"

step "3. The shop at work"
"work_in_$kind" &
workload=$!
say "Orders come in, are paid and sent, and old ones are deleted; each is a transaction of its own. As it happens:"
show events -c "$config" --stream $orders --follow --from -1s --limit 8
wait "$workload" || give_up "the workload failed"
workload=""
# A last change: once it is here, everything that was committed before it is here, too.
sql "INSERT INTO customers VALUES (5, 'Donald')"
caught_up() { "$tidelog" state shop.$schema.customers -c "$config" --key 5 --json 2>/dev/null | grep -q Donald; }
wait_for "the last change" 30 caught_up

step "4. The newest events"
show events -c "$config" --backwards --limit 6

step "5. The life of one order"
order="$(sql "SELECT max(id) - 20 FROM orders")"
show history $orders "$order" -c "$config"

step "6. An accident"
before="$(sql "SELECT count(*) FROM orders")"
sum_before="$(sql "SELECT sum(amount) FROM orders")"
position="$("$tidelog" store stats -c "$config" --json | grep -o '"position":[0-9]*' | cut -d: -f2)"
moment="$(sql "$now")"
if [[ "$database" == mariadb ]]; then sleep 1; fi   # its log has the time to the second
say "The database holds $before orders worth $sum_before. Somebody forgets the WHERE:"
printf '%s%s> DELETE FROM orders;%s\n' "$bold" "$client" "$plain"
sql "DELETE FROM orders"
say "The database holds $(sql "SELECT count(*) FROM orders") orders now."
gone() { [[ -z "$("$tidelog" state $orders -c "$config" --json 2>/dev/null)" ]]; }
wait_for "the deletes" 30 gone

step "7. The table as it was before the accident"
say "Now, and at the moment before, by time and by position:"
count_of() { "$tidelog" state $orders -c "$config" --json "$@" | wc -l; }
printf '%-70s %6s rows\n' "tidelog state $orders" "$(count_of)"
by_time="$(count_of --at "$moment")"
by_position="$(count_of --at "$position")"
printf '%-70s %6s rows\n' "tidelog state $orders --at '$moment'" "$by_time"
printf '%-70s %6s rows\n' "tidelog state $orders --at $position" "$by_position"
say "One of them, as it was:"
show state $orders -c "$config" --at "$position" --key "$order"

step "8. The table back, rebuilt from its history"
show replay -c "$config" --into "sqlite:${folder#"$PWD/"}/orders.db" --stream $orders --until "$position"
table="$(sqlite3 "$folder/orders.db" "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%orders%' LIMIT 1")"
rebuilt="$(sqlite3 "$folder/orders.db" "SELECT count(*) FROM \"$table\"")"
say "$client counted $before orders before the accident; the SQLite file holds $rebuilt, for instance:"
sqlite3 -header -column "$folder/orders.db" "SELECT * FROM \"$table\" ORDER BY id DESC LIMIT 3"
for count in "$by_time" "$by_position" "$rebuilt"; do
  [[ "$count" == "$before" ]] || give_up "there were $before orders before the accident, but tidelog gave back $count"
done

step "9. Is the store whole?"
show store verify -c "$config"

step "Done, in $SECONDS seconds"
example=config/mysql-shop.yaml
if [[ "$database" == postgres ]]; then
  example=config/shop.yaml
  say "Your own database: it needs wal_level = logical and a role that may replicate; tidelog says what else."
  say "  export SHOP_DATABASE_URL=postgresql://user:password@host:5432/database"
else
  say "Your own database: it needs binlog_row_metadata = FULL and a user who may read the binlog; tidelog says what else."
  say "  export SHOP_MYSQL_URL=mysql://user:password@host:3306"
fi
say "  build/release/app/tidelog check -c $example     (put your tables into it)"
say "  build/release/app/tidelog run -c $example"
if "$keep"; then
  say "" "Left on, as you asked:"
  say "  export SHOP_DATABASE_URL='$URL'"
  say "  scripts/servers/$database.sh ${client/#m*/sql} $folder/database" "  build/release/app/tidelog events -c $config --follow"
  say "To end it:" "  kill $capture; scripts/servers/$database.sh remove $folder/database; rm -r $folder"
fi
