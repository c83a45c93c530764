#!/usr/bin/env python3
"""Catch-up, latency, large transactions and initial loads of a real Postgres, beside a bare receive loop, pg_recvlogical, a peer in
Go and COPY in the same run.

Run by scripts/bench.sh postgres. Prints one JSON object a figure. The server runs with fsync on; tidelog's store lies on the same
disk, with fsync on. Contestants take turns; a figure is the median of the rounds, and a ratio is of one round.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

TABLE = "create table rows (id bigint primary key, customer text not null, total numeric(12,2), changed timestamptz)"
ROW = "select n, 'customer ' || n % 1000, (n % 100000) / 100.0, timestamptz '2026-01-01 00:00+00' + n * interval '1 second'"
TYPED_TABLE = ("create table typed (id bigint primary key, a float8, b float8, at timestamptz, due timestamp, ref uuid, raw bytea, "
               "total numeric(12,2), day date, span interval, counts int[], is_on boolean)")
TYPED_ROW = ("select n, n / 7.0, n * 1e9 / 7, timestamptz '2026-01-01 00:00+00' + n * interval '1.001 second', timestamp '2026-01-01' "
             "+ n * interval '1 second', md5(n::text)::uuid, decode(md5(n::text), 'hex'), (n % 100000) / 100.0, date '2026-01-01' + n "
             "% 1000, n * interval '1.5 second', array[n, n + 1, n + 2]::int[], n % 2 = 0")
LATENCY_RATE = 5000


class Server:
    def __init__(self, script, folder):
        self.script, self.folder = script, folder
        lines = subprocess.run([script, "start", folder, "--durable", "--die-with", str(os.getpid()), "--option",
                                "max_wal_size=8GB", "--option", "shared_buffers=256MB", "--option", "max_replication_slots=20"],
                               check=True, stdout=subprocess.PIPE, text=True).stdout
        self.env = dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)
        self.env = {k: v.strip("'\"") for k, v in self.env.items()}
        self.environ = dict(os.environ, PGHOST=self.env["PGHOST"], PGPORT=self.env["PGPORT"], PGUSER=self.env["PGUSER"],
                            PGDATABASE=self.env.get("PGDATABASE", "postgres"))

    def host(self, network):
        return self.env["PGHOST"] if network == "unix" else "127.0.0.1"

    def conninfo(self, network):
        return f"host={self.host(network)} port={self.env['PGPORT']} user={self.env['PGUSER']} dbname=postgres"

    def sql(self, text):
        environ = dict(self.environ, PGOPTIONS="-c synchronous_commit=off")  # so that many small transactions are soon made
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text], env=environ, check=True,
                              stdout=subprocess.PIPE, text=True).stdout.strip()

    def program(self, name):
        return shutil.which(name) or os.path.join("/usr/lib/postgresql/15/bin", name)

    def remove(self):
        subprocess.run([self.script, "remove", self.folder], check=True, stdout=subprocess.DEVNULL)


def anonymous_bytes(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("RssAnon"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Run:
    """A child process: its wall time until it is told to stop or ends, CPU seconds and largest anonymous memory."""

    def __init__(self, command, environ, log):
        self.log = open(log, "ab")
        self.begin = time.monotonic()
        self.process = subprocess.Popen(command, env=environ, stdout=self.log, stderr=self.log)
        self.memory = 0
        self.watching = True
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self):
        while self.watching:
            self.memory = max(self.memory, anonymous_bytes(self.process.pid))
            time.sleep(0.05)

    def end(self, stop):
        """The process's end; `seconds` are those until now, or, when it ends by itself, until then."""
        if stop:
            self.seconds = time.monotonic() - self.begin
            self.process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(self.process.pid, 0)
        if not stop:
            self.seconds = time.monotonic() - self.begin
        self.watching = False
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime
        if self.process.returncode != 0:
            sys.exit(f"{self.process.args} ended with {self.process.returncode}; see {self.log.name}")
        return self


def median(values):
    return sorted(values)[len(values) // 2]


class Bench:
    def __init__(self, program, tools, server, folder):
        self.program, self.tools, self.server, self.folder = program, tools, server, folder
        self.log = os.path.join(folder, "log")
        self.sources = {"text": ("typed", ""), "binary": ("typed", "    binary: true\n")}  # the others are of the table rows

    def report(self, figure, value, unit, goal, how, at_most=False):
        met = goal == 0 or (value <= goal if at_most else value >= goal)
        print(json.dumps({"suite": "postgres", "figure": figure, "value": round(value, 3), "unit": unit, "goal": goal, "met": met,
                          "how": how}), flush=True)

    def config(self, name, network):
        path = os.path.join(self.folder, name + ".yaml")
        table, more = self.sources.get(name, ("rows", ""))
        with open(path, "w") as out:
            out.write(f"store: {{ path: {self.folder}/{name} }}\nsources:\n  - name: {name}\n"
                      f"    postgres: {self.server.conninfo(network)}\n    tables: [public.{table}]\n{more}")
        return path

    def watch(self, *arguments):
        return subprocess.run([os.path.join(self.tools, "store_watch"), *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                              text=True).stdout.split()

    def position(self, name):
        return int(self.watch("position", os.path.join(self.folder, name))[0])

    # -- the contestants: each reads `rows` rows, to `end`, and answers with its Run --

    def tidelog(self, name, network, events):
        """From the program's start until its store holds `events` more durable events."""
        goal = self.position(name) + events
        run = Run([self.program, "run", "-c", self.config(name, network)], self.server.environ, self.log)
        self.watch("wait", os.path.join(self.folder, name), goal)
        run.server_cpu = self.walsender_cpu(name)
        return run.end(stop=True)

    def walsender_cpu(self, name):
        """CPU seconds of the server's process for this source; steadier than rates where others work on the same cores."""
        pid = self.server.sql(f"select active_pid from pg_replication_slots where slot_name = 'tidelog_{name}'")
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def recvlogical(self, network, slot, end):
        return Run(["bash", "-c", "exec \"$0\" \"$@\" > /dev/null", "pg_recvlogical", "--host", self.server.host(network), "--dbname",
                    "postgres", "--start", "--slot", slot, "--endpos", end, "--no-loop", "-f", "-", "-o", "proto_version=1", "-o",
                    "publication_names=tidelog_unix"], self.server.environ, self.log).end(stop=False)

    def bare(self, network, slot, end):
        # Each network's best: pauses let rows gather on a Unix socket; over TCP a low-water mark does.
        options = ["--pause-us", "100"] if network == "unix" else ["--wanted-bytes", "262144"]
        return Run([os.path.join(self.tools, "receive_loop"), self.server.conninfo(network), slot, "tidelog_unix", end] + options,
                   self.server.environ, self.log).end(stop=False)

    def go_peer(self, slot, end):
        return Run([self.go_program, self.server.conninfo("tcp"), slot, "tidelog_unix", end], self.server.environ,
                   self.log).end(stop=False)

    def insert(self, first, count, per_transaction, table="rows", row=ROW):
        self.server.sql(f"do $$ begin for t in 0..{count // per_transaction - 1} loop insert into {table} {row} from generate_series("
                        f"{first} + t * {per_transaction}, {first} + (t + 1) * {per_transaction} - 1) n; commit; end loop; end $$")

    def rows(self, first, count, per_transaction):
        """All contestants read the same rows, in an order that turns with each call."""
        contestants = {
            "bare unix": lambda slot, end: self.bare("unix", slot, end),
            "tidelog unix": lambda slot, end: self.tidelog("unix", "unix", count),
            "recvlogical unix": lambda slot, end: self.recvlogical("unix", slot, end),
            "bare tcp": lambda slot, end: self.bare("tcp", slot, end),
            "tidelog tcp": lambda slot, end: self.tidelog("tcp", "tcp", count),
            "recvlogical tcp": lambda slot, end: self.recvlogical("tcp", slot, end),
        }
        if self.go_program:
            contestants["go tcp"] = lambda slot, end: self.go_peer(slot, end)
        names = list(contestants)
        slots = {name: "peer_" + name.replace(" ", "_") for name in names if not name.startswith("tidelog")}
        for slot in slots.values():
            self.server.sql(f"select pg_create_logical_replication_slot('{slot}', 'pgoutput')")
        self.insert(first, count, per_transaction)
        self.server.sql("checkpoint")
        end = self.server.sql("select pg_current_wal_lsn()")
        self.turn += 1
        turned = names[self.turn % len(names):] + names[:self.turn % len(names)]
        results = {name: contestants[name](slots.get(name), end) for name in turned}
        for slot in slots.values():
            self.server.sql(f"select pg_drop_replication_slot('{slot}')")
        return results

    turn = 0

    def begin(self, name, network, insert):
        """Loaded, streaming: the schema event is there with the first row."""
        run = Run([self.program, "run", "-c", self.config(name, network)], self.server.environ, self.log)
        while not self.has_slot_position(name):
            if run.process.poll() is not None:
                sys.exit(f"tidelog run ended; see {self.log}")
            time.sleep(0.05)
        self.server.sql(insert)
        time.sleep(1)
        run.end(stop=True)

    def prepare(self):
        self.server.sql(TABLE)
        self.begin("unix", "unix", "insert into rows values (-1, 'first', 0, null)")
        self.begin("tcp", "tcp", "insert into rows values (-2, 'first', 0, null)")
        self.tidelog("unix", "unix", 1)  # the row that the other's beginning brought

    def binary(self, rounds, count):
        """Rows of many types that are no texts, read as text and in binary form, in turn."""
        self.server.sql(TYPED_TABLE)
        self.begin("text", "unix", "insert into typed (id) values (-1)")
        self.begin("binary", "unix", "insert into typed (id) values (-2)")
        self.tidelog("text", "unix", 1)
        all_rounds = []
        for turn in range(rounds):
            self.insert(1 + turn * count, count, 1000, "typed", TYPED_ROW)
            self.server.sql("checkpoint")
            names = ("text", "binary") if turn % 2 == 0 else ("binary", "text")
            all_rounds.append({name: self.tidelog(name, "unix", count) for name in names})
        for name in ("text", "binary"):
            rate = median([count / results[name].seconds for results in all_rounds])
            cpu = median([results[name].cpu * 1e6 / count for results in all_rounds])
            server = median([results[name].server_cpu * 1e6 / count for results in all_rounds])
            self.report(f"12 typed columns, {name}", rate, "rows/s", 0, f"CPU s a million rows: {cpu:.2f}, the server's walsender "
                        f"{server:.2f}; median of {rounds} rounds of {count} rows")
        ratios = [results["text"].seconds / results["binary"].seconds for results in all_rounds]
        self.report("12 typed columns, binary beside text", median(ratios), "x of its rows/s", 0,
                    "all rounds: " + ", ".join(f"{r:.2f}" for r in ratios))

    def has_slot_position(self, name):
        return self.server.sql(f"select count(*) from pg_replication_slots where slot_name = 'tidelog_{name}' and active") == "1"

    def compare(self, what, rounds, first, count, per_transaction, goals):
        all_rounds = []
        for _ in range(rounds):
            all_rounds.append(self.rows(first, count, per_transaction))
            first += count
        for name in all_rounds[0]:
            rate = median([count / results[name].seconds for results in all_rounds])
            cpu = median([results[name].cpu * 1e6 / count for results in all_rounds])
            self.report(f"{what}, {name}", rate, "rows/s", 0, f"{cpu:.2f} CPU s a million rows, median of {rounds} rounds of {count} rows")
        for ours, peer, goal in goals:
            if peer not in all_rounds[0]:
                continue
            ratios = [results[peer].seconds / results[ours].seconds for results in all_rounds]
            self.report(f"{what}, {ours} beside {peer}", median(ratios), "x of its rows/s", goal,
                        "all rounds: " + ", ".join(f"{r:.2f}" for r in ratios))
        self.report(f"{what}, own CPU a million rows", median([r["tidelog unix"].cpu * 1e6 / count for r in all_rounds]), "CPU s",
                    2.5 if per_transaction > 1 else 0, "Unix socket", at_most=True)
        self.report(f"{what}, memory", max(r[n].memory for r in all_rounds for n in ("tidelog unix", "tidelog tcp")) / 2**20,
                    "MB anonymous", 64, "largest seen", at_most=True)
        return first

    def latency(self, first, seconds):
        script = os.path.join(self.folder, "one.sql")
        with open(script, "w") as out:
            out.write(f"insert into rows {ROW} from (select nextval('ids') n) i;\n")
        self.server.sql(f"create sequence ids start {first}")
        count = LATENCY_RATE * seconds
        run = Run([self.program, "run", "-c", self.config("unix", "unix")], self.server.environ, self.log)
        position = self.position("unix")
        store = os.path.join(self.folder, "unix")
        writer = Run([self.server.program("pgbench"), "-n", "-f", script, "-c", "8", "-j", "1", "-R", str(LATENCY_RATE), "-T",
                      str(seconds + 2), "postgres"], self.server.environ, self.log)
        self.watch("wait", store, position + LATENCY_RATE)  # it has begun
        begin = time.monotonic()
        p50, p99, most = map(float, self.watch("latency", store, position + LATENCY_RATE, count - LATENCY_RATE))
        rate = (count - LATENCY_RATE) / (time.monotonic() - begin)
        writer.end(stop=False)
        time.sleep(1)  # for what is still on its way
        run.end(stop=True)
        how = f"at {rate:.0f} of {LATENCY_RATE} one-row transactions a second, 8 sessions, by the server's clock; most {most:.1f} ms"
        self.report("commit to readable, p50", p50, "ms", 2, how, at_most=True)
        self.report("commit to readable, p99", p99, "ms", 20, how, at_most=True)
        return int(self.server.sql("select nextval('ids')"))

    def large_transaction(self, first, count):
        self.server.sql(f"insert into rows {ROW} from generate_series({first}, {first + count - 1}) n")
        run = self.tidelog("unix", "unix", count)
        self.report("one transaction", count / run.seconds, "rows/s", 0, f"{count} rows, {run.cpu:.1f} CPU s")
        self.report("one transaction, memory", run.memory / 2**20, "MB anonymous", 128, "largest seen", at_most=True)
        return first + count

    def initial_load(self):
        rows = int(self.server.sql("select count(*) from rows"))
        ratios = []
        for name in ("load1", "load2", "load3"):
            begin = time.monotonic()
            subprocess.run("psql -XAtqc 'copy rows to stdout' | cat > /dev/null", shell=True, env=self.server.environ, check=True)
            copy_seconds = time.monotonic() - begin
            run = Run([self.program, "run", "-c", self.config(name, "unix")], self.server.environ, self.log)
            self.watch("wait", os.path.join(self.folder, name), rows)
            run.end(stop=True)
            ratios.append(copy_seconds / run.seconds)
        self.report("initial load beside COPY to a pipe", median(ratios), "x of its rows/s", 0.6,
                    f"{rows} rows in {run.seconds:.1f} s ({rows / run.seconds:.0f} rows/s), {run.cpu * 1e6 / rows:.2f} CPU s a million; "
                    "all: " + ", ".join(f"{r:.2f}" for r in ratios))
        self.report("initial load, memory", run.memory / 2**20, "MB anonymous", 128, "largest seen", at_most=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("tools", help="the folder of receive_loop and store_watch")
    parser.add_argument("server_script")
    parser.add_argument("folder")
    parser.add_argument("--go-peer", default="", help="bench/peers/pglogrepl, built")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=200_000, help="transactions of one row")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=5_000_000)
    parser.add_argument("--only", default="", help="catch-up, one-row, binary, latency, large or load")
    args = parser.parse_args()
    args.folder = os.path.abspath(args.folder)
    os.makedirs(args.folder, exist_ok=True)
    server = Server(args.server_script, os.path.join(args.folder, "server"))
    try:
        bench = Bench(args.program, args.tools, server, args.folder)
        bench.go_program = args.go_peer
        bench.prepare()
        first = 1
        if args.only in ("", "catch-up"):
            first = bench.compare("catch-up", args.rounds, first, args.rows, 1000, [
                ("tidelog unix", "bare unix", 0.9), ("tidelog unix", "recvlogical unix", 0), ("tidelog tcp", "recvlogical tcp", 1.1),
                ("tidelog tcp", "bare tcp", 0), ("tidelog tcp", "go tcp", 0.95)])
        if args.only in ("", "one-row"):
            first = bench.compare("one-row transactions", args.rounds, first, args.small, 1, [
                ("tidelog unix", "bare unix", 0), ("tidelog unix", "recvlogical unix", 1), ("tidelog tcp", "recvlogical tcp", 1),
                ("tidelog tcp", "bare tcp", 0), ("tidelog tcp", "go tcp", 1)])
        if args.only in ("", "binary"):
            bench.binary(args.rounds, args.rows)
        if args.only in ("", "latency"):
            first = bench.latency(first, 10)
        if args.large and args.only in ("", "large"):
            first = bench.large_transaction(first, args.large)
        if args.only in ("", "load"):
            if args.only:
                first = bench.insert(first, args.rows, 1000)
            bench.initial_load()
    finally:  # the folder stays: its log says what went wrong; scripts/bench.sh removes it
        server.remove()


if __name__ == "__main__":
    main()
