#!/usr/bin/env python3
"""Bare reading of a real server's binlog, without decoding, beside the server's own client with --raw, in the same run.

Run by scripts/bench.sh mysql. Prints one JSON object a figure. Contestants take turns; a figure is the median of the rounds, and a
ratio is of one round. The clients write what they read to memory (/dev/shm); tidelog verifies every checksum, they verify none.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROUNDS = 3
ROWS = 2_000_000
TRANSACTIONS = 100_000
TABLE = "create database bench; use bench; create table rows_of (id bigint primary key, customer text not null, total decimal(12,2), changed datetime)"
ROW = "select n, concat('customer ', n % 1000), (n % 100000) / 100.0, '2026-01-01' + interval n second from"
DIGITS = "(select a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d + 100000 * f.d n from digits a, digits b, digits c, digits d, digits e, digits f)"


class Server:
    def __init__(self, script, version, folder):
        self.script, self.folder, self.version = script, folder, version
        lines = subprocess.run([script, "start", folder, "--version", version, "--die-with", str(os.getpid()),
                                "--option", "max-binlog-size=1G"], check=True, stdout=subprocess.PIPE, text=True).stdout
        self.env = dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)

    def sql(self, text):
        subprocess.run([self.script, "sql", self.folder], input=text, check=True, text=True)

    def remove(self):
        subprocess.run([self.script, "remove", self.folder], check=True, stdout=subprocess.DEVNULL)

    def binlog_bytes(self):
        files = [name for name in os.listdir(self.env["DATA"]) if name.startswith("binlog.0")]
        return sum(os.path.getsize(os.path.join(self.env["DATA"], name)) for name in files)


def fill(server, one_row_transactions):
    server.sql("reset master" if server.version != "9.7" else "reset binary logs and gtids")
    if not one_row_transactions:
        server.sql("use bench; truncate rows_of;" + "".join(
            f"insert into rows_of {ROW} (select n + {start} n from {DIGITS} x) y;" for start in range(0, ROWS, 1_000_000)))
        return
    values = "".join(f"insert into rows_of values ({n}, 'customer {n % 1000}', 1.5, '2026-01-01');" for n in range(TRANSACTIONS))
    server.sql("use bench; truncate rows_of;" + values)


def seconds_of(command):
    begin = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - begin
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}: {done.stderr}")
    return seconds


def peer_command(server, out):
    to = f"{out}/"
    if "mariadb" in server.script:
        return ["mariadb-binlog", "--no-defaults", "--read-from-remote-server", "--raw", "--to-last-log", f"--result-file={to}",
                "--host=127.0.0.1", f"--port={server.env['PORT']}", "--user=root", "binlog.000001"]
    return [server.script, "tool", server.folder, "mysqlbinlog", "--no-defaults", "--read-from-remote-server", "--raw", "--to-last-log",
            f"--result-file={to}", "--host=127.0.0.1", f"--port={server.env['PORT']}", "--user=root", "--ssl-mode=DISABLED",
            "--get-server-public-key", "binlog.000001"]


def median(values):
    return sorted(values)[len(values) // 2]


def report(figure, value, unit, goal, how):
    print(json.dumps({"suite": "mysql", "figure": figure, "value": round(value, 3), "unit": unit, "goal": goal,
                      "met": goal == 0 or value >= goal, "how": how}), flush=True)


def measure(server, loop, what, name):
    ours, unix, theirs = [], [], []
    for _ in range(ROUNDS):
        ours.append(seconds_of([loop, "127.0.0.1", server.env["PORT"]]))
        unix.append(seconds_of([loop, server.env["SOCKET"], "0"]))
        out = tempfile.mkdtemp(prefix="tidelog-binlog.", dir="/dev/shm")
        try:
            theirs.append(seconds_of(peer_command(server, out)))
        finally:
            shutil.rmtree(out)
    size = server.binlog_bytes() / 1e6
    how = f"{name}, {size:.0f} MB of binlog"
    report(f"{what}: bare reading over TCP", size / median(ours), "MB/s", 0, how)
    report(f"{what}: bare reading over a Unix socket", size / median(unix), "MB/s", 0, how)
    report(f"{what}: the server's client with --raw, TCP", size / median(theirs), "MB/s", 0, how)
    report(f"{what}: over TCP, beside the client", median([t / o for o, t in zip(ours, theirs)]), "x", 1.0, how)


def main():
    loop, scripts, folder = sys.argv[1:4]
    os.makedirs(folder, exist_ok=True)
    for make, version in (("mariadb", "10.11"), ("mysql", "9.7")):
        server = Server(os.path.join(scripts, make + ".sh"), version, os.path.join(folder, make))
        try:
            server.sql(TABLE + "; create table digits (d int); insert into digits values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)")
            for one_row, what in ((False, "rows, large transactions"), (True, "one-row transactions")):
                fill(server, one_row)
                measure(server, loop, what, f"{make} {version}")
        finally:
            server.remove()


if __name__ == "__main__":
    main()
