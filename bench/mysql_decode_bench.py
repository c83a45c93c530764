#!/usr/bin/env python3
"""Decoding of binlog files that a real MariaDB wrote, beside its own mariadb-binlog and a peer in Rust in the same run.

Run by scripts/bench.sh mysql. Prints one JSON object a figure. Figures are rows a second of CPU time, the best of the rounds: the
contestants are one thread each, and files are in the page cache.
"""
import argparse
import json
import os
import resource
import subprocess

TABLE = "create table orders (id bigint primary key, customer varchar(40) not null, total decimal(12,2), changed datetime(6))"
ROW = "select seq, concat('customer ', seq % 1000), (seq % 100000) / 100, '2026-01-01' + interval seq second from seq_{}_to_{}"


class Server:
    def __init__(self, script, folder):
        self.script, self.folder = script, folder
        lines = subprocess.run([script, "start", folder, "--die-with", str(os.getpid())], check=True, stdout=subprocess.PIPE,
                               text=True).stdout
        self.env = {k: v.strip("'\"") for k, v in (line.split("=", 1) for line in lines.splitlines() if "=" in line)}

    def sql(self, text):
        subprocess.run([self.script, "sql", self.folder], input=text, text=True, check=True, stdout=subprocess.DEVNULL)

    def binlogs(self):
        names = sorted(name for name in os.listdir(self.env["DATA"]) if name.startswith("binlog.0"))
        return [os.path.join(self.env["DATA"], name) for name in names]

    def remove(self):
        subprocess.run([self.script, "remove", self.folder], check=True, stdout=subprocess.DEVNULL)


def make_rows(server, rows, per_transaction):
    server.sql("create database bench; use bench; " + TABLE)
    statements = [f"insert into orders {ROW.format(first, first + per_transaction - 1)};"
                  for first in range(1, rows + 1, per_transaction)]
    server.sql("use bench; " + " ".join(statements))
    server.sql("flush binary logs")
    server.sql("use bench; " + " ".join(f"update orders set total = total + 1 where id between {first} and {first + 999};"
                                        for first in range(1, rows // 5, 1000)) + " delete from orders limit 50000")
    server.sql("flush binary logs")
    return server.binlogs()


def rows_a_second(command):
    answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return answer["rows"], answer["rows"] / answer["cpu_seconds"]


def rows_a_second_of_tool(command, rows, rounds):
    fastest = None
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        fastest = taken if fastest is None else min(fastest, taken)
    return rows / fastest


def figure(name, value, unit, goal, how):
    print(json.dumps({"suite": "mysql", "figure": name, "value": round(value, 3), "unit": unit, "goal": goal,
                      "met": goal == 0 or value >= goal, "how": how}), flush=True)


def compare(args, server, what, files):
    rows, ours = rows_a_second([args.decoder, "mariadb", str(args.rounds), *files])
    how = f"{rows} rows, one core, checksums verified"
    figure(f"decoding {what}", ours, "rows/CPU s", 0, how)
    tool = rows_a_second_of_tool([server.script, "tool", server.folder, "mariadb-binlog", "-v", *files], rows, args.rounds)
    figure(f"decoding {what}, beside mariadb-binlog -v", ours / tool, "x", 0, how)
    if args.rust_peer:
        peer_rows, peer = rows_a_second([args.rust_peer, str(args.rounds), *files])
        assert peer_rows == rows, f"mysql_cdc has {peer_rows} rows"
        figure(f"decoding {what}, beside mysql_cdc", ours / peer, "x", 1, how)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("decoder", help="binlog_decode")
    parser.add_argument("server_script")
    parser.add_argument("folder")
    parser.add_argument("--rust-peer", default="", help="bench/peers/mysql_cdc, built")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    server = Server(args.server_script, os.path.join(args.folder, "server"))
    try:
        files = make_rows(server, args.rows, 1000)
        compare(args, server, "inserts", files[:1])
        compare(args, server, "updates and deletes", files[1:2])
    finally:
        server.remove()


if __name__ == "__main__":
    main()
