#!/usr/bin/env python3
"""Catch-up, large transactions and initial loads of a real Postgres, beside pg_recvlogical and COPY in the same run.

Run by scripts/bench.sh postgres. Prints one JSON object a figure. Every contestant reads through the Unix socket of one server that
runs with fsync on; tidelog's store lies on the same disk, with fsync on.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time

TABLE = "create table rows (id bigint primary key, customer text not null, total numeric(12,2), changed timestamptz)"
ROW = "select n, 'customer ' || n % 1000, (n % 100000) / 100.0, timestamptz '2026-01-01 00:00+00' + n * interval '1 second'"


class Server:
    def __init__(self, script, folder):
        self.script, self.folder = script, folder
        lines = subprocess.run([script, "start", folder, "--durable", "--die-with", str(os.getpid()), "--option",
                                "max_wal_size=8GB", "--option", "shared_buffers=256MB"],
                               check=True, stdout=subprocess.PIPE, text=True).stdout
        self.env = dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)
        self.env = {k: v.strip("'\"") for k, v in self.env.items()}
        self.environ = dict(os.environ, PGHOST=self.env["PGHOST"], PGPORT=self.env["PGPORT"], PGUSER=self.env["PGUSER"],
                            PGDATABASE=self.env.get("PGDATABASE", "postgres"))

    def sql(self, text):
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text], env=self.environ, check=True,
                              stdout=subprocess.PIPE, text=True).stdout.strip()

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
        self.process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=self.log)
        self.memory = 0
        self.watching = True
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self):
        while self.watching:
            self.memory = max(self.memory, anonymous_bytes(self.process.pid))
            time.sleep(0.02)

    def end(self, stop):
        if stop:
            self.process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.watching = False
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime
        if self.process.returncode != 0:
            sys.exit(f"{self.process.args} ended with {self.process.returncode}; see {self.log.name}")


class Bench:
    def __init__(self, program, server, folder):
        self.program, self.server, self.folder = program, server, folder
        self.log = os.path.join(folder, "log")

    def report(self, figure, value, unit, goal, how, at_most=False):
        met = goal == 0 or (value <= goal if at_most else value >= goal)
        print(json.dumps({"suite": "postgres", "figure": figure, "value": round(value, 3), "unit": unit, "goal": goal, "met": met,
                          "how": how}), flush=True)

    def config(self, name, database):
        path = os.path.join(self.folder, name + ".yaml")
        host, port, user = (self.server.env[k] for k in ("PGHOST", "PGPORT", "PGUSER"))
        with open(path, "w") as out:
            out.write(f"store: {{ path: {self.folder}/{name} }}\nsources:\n  - name: {name}\n"
                      f"    postgres: host={host} port={port} user={user} dbname={database}\n    tables: [public.rows]\n")
        return path

    def events(self, name):
        done = subprocess.run([self.program, "store", "stats", "--json", "--store", os.path.join(self.folder, name)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return json.loads(done.stdout)["events"] if done.returncode == 0 else 0

    def tidelog(self, config, name, events):
        """From the program's start until its store holds `events` durable events."""
        run = Run([self.program, "run", "-c", config], self.server.environ, self.log)
        deadline = time.monotonic() + 120
        while self.events(name) < events:
            if run.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"tidelog run did not get to {events} events; see {self.log}")
            time.sleep(0.02)
        seconds = time.monotonic() - run.begin
        run.end(stop=True)
        return seconds, run

    def recvlogical(self, slot, publication, end):
        options = ["-o", "proto_version=1", "-o", f"publication_names={publication}"]
        run = Run(["bash", "-c", "exec pg_recvlogical --dbname postgres --start --slot \"$0\" --endpos \"$1\" --no-loop -f - \"${@:2}\" > /dev/null",
                   slot, end] + options, self.server.environ, self.log)
        run.end(stop=False)
        return time.monotonic() - run.begin, run

    def insert(self, first, count, per_transaction):
        self.server.sql(f"do $$ begin for t in 0..{count // per_transaction - 1} loop insert into rows {ROW} from generate_series("
                        f"{first} + t * {per_transaction}, {first} + (t + 1) * {per_transaction} - 1) n; commit; end loop; end $$")

    def catch_up(self, rounds, count):
        self.server.sql(TABLE)
        config = self.config("bench", "postgres")
        self.tidelog(config, "bench", 1)  # the schema event: loaded, streaming
        first, ratios = 1, []
        for round_number in range(rounds):
            self.server.sql("select pg_create_logical_replication_slot('peer', 'pgoutput')")
            self.insert(first, count, 1000)
            first += count
            end = self.server.sql("select pg_current_wal_lsn()")
            contestants = [
                lambda: self.recvlogical("peer", "tidelog_bench", end),
                lambda: self.tidelog(config, "bench", first),  # the schema event and all rows
            ]
            order = (0, 1) if round_number % 2 == 0 else (1, 0)
            results = {which: contestants[which]() for which in order}
            (peer_seconds, peer), (our_seconds, ours) = results[0], results[1]
            self.server.sql("select pg_drop_replication_slot('peer')")
            ratios.append(peer_seconds / our_seconds)
            how = f"round {round_number + 1}: {count} rows in transactions of 1000; pg_recvlogical {peer_seconds:.2f} s, {peer.cpu:.2f} CPU s"
            self.report("catch-up", count / our_seconds, "rows/s", 0, how)
            self.report("catch-up CPU a million rows", ours.cpu * 1e6 / count, "CPU s", 0, f"pg_recvlogical {peer.cpu * 1e6 / count:.2f}")
            self.report("catch-up memory", ours.memory / 2**20, "MB anonymous", 64, "largest seen", at_most=True)
        self.report("catch-up beside pg_recvlogical", sorted(ratios)[len(ratios) // 2], "x of its rows/s", 0.85,
                    f"median of {rounds} rounds in turn, both from start-up, Unix socket, fsync on; all: "
                    + ", ".join(f"{r:.2f}" for r in ratios))
        return first

    def large_transaction(self, first, count):
        self.server.sql(f"insert into rows {ROW} from generate_series({first}, {first + count - 1}) n")
        seconds, run = self.tidelog(self.config("bench", "postgres"), "bench", first + count)
        self.report("one transaction", count / seconds, "rows/s", 0, f"{count} rows, {run.cpu:.1f} CPU s")
        self.report("one transaction, memory", run.memory / 2**20, "MB anonymous", 128, "largest seen", at_most=True)
        return first + count

    def initial_load(self, rows):
        begin = time.monotonic()
        subprocess.run(["psql", "-XAtqc", "copy rows to stdout"], env=self.server.environ, check=True, stdout=subprocess.DEVNULL)
        copy_seconds = time.monotonic() - begin
        seconds, run = self.tidelog(self.config("load", "postgres"), "load", rows + 1)
        self.report("initial load beside COPY to a pipe", copy_seconds / seconds, "x of its rows/s", 0,
                    f"{rows} rows in {seconds:.1f} s ({rows / seconds:.0f} rows/s), {run.cpu:.1f} CPU s")
        self.report("initial load, memory", run.memory / 2**20, "MB anonymous", 128, "largest seen", at_most=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("server_script")
    parser.add_argument("folder")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=5_000_000)
    args = parser.parse_args()
    args.folder = os.path.abspath(args.folder)
    os.makedirs(args.folder, exist_ok=True)
    server = Server(args.server_script, os.path.join(args.folder, "server"))
    try:
        bench = Bench(args.program, server, args.folder)
        first = bench.catch_up(args.rounds, args.rows)
        if args.large:
            first = bench.large_transaction(first, args.large)
        bench.initial_load(first - 1)
    finally:  # the folder stays: its log says what went wrong; scripts/bench.sh removes it
        server.remove()


if __name__ == "__main__":
    main()
