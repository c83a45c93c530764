#!/usr/bin/env python3
"""Bytes that an event takes in tidelog's store, beside the WAL, the binlog and Kafka's log for the same rows.

Run by scripts/bench.sh space. Prints one JSON object a figure. Every server is a real one on a scratch folder; Kafka gets Debezium's
envelope without schemas, as its connectors send it by default when schemas are off.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

from postgres_bench import ROW, TABLE, Bench, Server

KAFKA = "4.4.0"
POM = f"""<project><modelVersion>4.0.0</modelVersion><groupId>none</groupId><artifactId>none</artifactId><version>1</version>
<packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.3</version></dependency>
</dependencies></project>"""


class Shape:
    """`rows` rows, each inserted and then updated `updates` times, `per_transaction` of them a transaction."""

    def __init__(self, name, rows, per_transaction, updates):
        self.name, self.rows, self.per_transaction, self.updates = name, rows, per_transaction, updates
        self.events = rows * (1 + updates)


SHAPES = [Shape("insert, 1000 a transaction", 200_000, 1000, 0), Shape("insert and update, 10 a transaction", 50_000, 10, 1),
          Shape("insert, one a transaction", 50_000, 1, 0)]


def folder_bytes(folder):
    return sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(folder) for name in names)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(ready, process, log):
    deadline = time.monotonic() + 60
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{process.args[0]} did not start; see {log}")
        time.sleep(0.1)


def end(process):
    process.terminate()
    process.wait(30)


# ---- Postgres and tidelog ----

def postgres(program, script, folder):
    """Per shape: bytes of WAL, of the store as it is written, and of the store packed with zstd."""
    server = Server(script, os.path.join(folder, "postgres"))
    try:
        # A full page after each checkpoint depends on time, not on rows.
        server.sql("alter system set full_page_writes = off")
        server.sql("select pg_reload_conf()")
        bench = Bench(program, server, folder)
        sizes = []
        for number, shape in enumerate(SHAPES):
            server.sql("drop table if exists rows")
            server.sql(TABLE)
            name = f"shape{number}"
            config = bench.config(name, "postgres")
            bench.tidelog(config, name, 1)
            begin = server.sql("select pg_current_wal_insert_lsn()")
            bench.insert(1, shape.rows, shape.per_transaction)
            for _ in range(shape.updates):
                server.sql(f"do $$ begin for t in 0..{shape.rows // shape.per_transaction - 1} loop update rows set total = total + 1, "
                           f"changed = changed + interval '1 hour' where id > t * {shape.per_transaction} and id <= (t + 1) * "
                           f"{shape.per_transaction}; commit; end loop; end $$")
            wal = int(server.sql(f"select pg_current_wal_insert_lsn() - '{begin}'::pg_lsn"))
            bench.tidelog(config, name, 1 + shape.events)
            server.sql(f"select pg_drop_replication_slot('tidelog_{name}')")
            store = os.path.join(folder, name)
            with open(config, encoding="utf-8") as file:
                text = file.read()
            with open(config, "w", encoding="utf-8") as file:
                file.write(text.replace("store: {", "store: { compress: zstd,"))
            packed = json.loads(subprocess.run([program, "store", "compact", "-c", config, "--json"], check=True,
                                               stdout=subprocess.PIPE, text=True).stdout)
            # `compact` has begun a new segment, whose file is made at its full size.
            files = sorted(file for file in os.listdir(f"{store}/segments") if file.endswith((".log", ".adopted")))
            log = sum(os.path.getsize(f"{store}/segments/{file}") for file in files if file[:8] != files[-1][:8])
            index = sum(os.path.getsize(f"{store}/segments/{file}") for file in os.listdir(f"{store}/segments")
                        if file.endswith(".index"))
            sizes.append({"wal": wal, "packed": packed, "log": log, "index": index})
        return sizes
    finally:
        server.remove()


# ---- MariaDB ----

def mariadb(folder):
    """Per shape: bytes of the binlog with full row images, as it is by default."""
    data, log = os.path.join(folder, "mariadb"), os.path.join(folder, "mariadb.log")
    os.makedirs(data)
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    with open(log, "ab") as out:
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
                        "--skip-test-db"] + as_root, check=True, stdout=out, stderr=out)
        # Within its own folder, as a socket's path has a limit of 107 bytes.
        port = free_port()
        server = subprocess.Popen(["mariadbd", "--no-defaults", f"--datadir={data}", "--socket=s",
                                   "--bind-address=127.0.0.1", f"--port={port}", "--log-bin=bin", "--binlog-format=ROW",
                                   "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=0"] + as_root, stdout=out, stderr=out)

    def sql(text, check=True):
        done = subprocess.run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{port}", "-uroot", "-N", "-B"], input=text,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if check and done.returncode != 0:
            sys.exit(done.stderr)
        return done

    try:
        wait_until(lambda: sql("select 1", check=False).returncode == 0, server, log)
        sql("create database shop")
        sizes = []
        for shape in SHAPES:
            sql("use shop; drop table if exists `rows`; create table `rows` (id bigint primary key, customer text not null, "
                "total decimal(12,2), changed timestamp(6) null)")
            sql("reset master")
            values = (f"select seq, concat('customer ', seq % 1000), (seq % 100000) / 100, "
                      f"timestamp'2026-01-01 00:00' + interval seq second from seq_1_to_{shape.rows} where seq > t * "
                      f"{shape.per_transaction} and seq <= (t + 1) * {shape.per_transaction}")
            update = (f"update `rows` set total = total + 1, changed = changed + interval 1 hour where id > t * "
                      f"{shape.per_transaction} and id <= (t + 1) * {shape.per_transaction};")
            last = shape.rows // shape.per_transaction - 1
            sql("use shop;\ndelimiter //\nset @@autocommit = 0//\n"
                f"begin not atomic for t in 0..{last} do insert into `rows` {values}; commit; end for; end//\n"
                + f"begin not atomic for t in 0..{last} do {update} commit; end for; end//\n" * shape.updates)
            sizes.append(sum(int(line.split("\t")[1]) for line in sql("show binary logs").stdout.splitlines()))
        return sizes
    finally:
        end(server)


# ---- Kafka ----

def kafka_jars():
    jars = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "tidelog", f"kafka-{KAFKA}")
    if not os.path.isdir(jars):
        work = jars + f".{os.getpid()}"
        os.makedirs(work)
        with open(f"{work}/pom.xml", "w", encoding="utf-8") as pom:
            pom.write(POM)
        subprocess.run(["mvn", "-q", "-B", "-f", f"{work}/pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={work}/out"],
                       check=True)
        os.rename(f"{work}/out", jars)
        shutil.rmtree(work)
    return jars


def envelopes(shape):
    """Key and value of each event."""
    begin = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def row(n, update):
        changed = begin + timedelta(seconds=n, hours=update)
        return {"id": n, "customer": f"customer {n % 1000}", "total": f"{(n % 100000) / 100 + update:.2f}",
                "changed": changed.strftime("%Y-%m-%dT%H:%M:%S.000000Z")}

    for update in range(1 + shape.updates):
        for n in range(1, shape.rows + 1):
            lsn = 24_000_000 + n * 140
            yield {"id": n}, {
                "before": None, "after": row(n, update),
                "source": {"version": "3.6.0.Final", "connector": "postgresql", "name": "shop", "ts_ms": 1767225600000 + n,
                           "snapshot": "false", "db": "shop", "sequence": f'["{lsn - 200}","{lsn}"]',
                           "ts_us": (1767225600000 + n) * 1000, "ts_ns": (1767225600000 + n) * 1000000, "schema": "public",
                           "table": "rows", "txId": 700 + n // shape.per_transaction, "lsn": lsn, "xmin": None},
                "transaction": None, "op": "u" if update else "c", "ts_ms": 1767225600100 + n, "ts_us": (1767225600100 + n) * 1000,
                "ts_ns": (1767225600100 + n) * 1000000}


def kafka(folder):
    """Per shape: bytes of the topic's log without compression, and with lz4."""
    folder = os.path.join(folder, "kafka")
    os.makedirs(folder)
    broker, controller = free_port(), free_port()
    with open(f"{folder}/server.properties", "w", encoding="utf-8") as out:
        out.write(f"process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n"
                  f"controller.listener.names=CONTROLLER\nlisteners=PLAIN://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n"
                  f"advertised.listeners=PLAIN://127.0.0.1:{broker}\ninter.broker.listener.name=PLAIN\n"
                  "listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
                  f"log.dirs={folder}/data\noffsets.topic.replication.factor=1\nlog.index.size.max.bytes=4096\n"
                  "log.cleaner.dedupe.buffer.size=10485760\n")
    java = ["java", "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dkafka.logs.dir={folder}", "-cp",
            kafka_jars() + "/*"]
    log = f"{folder}/log"
    with open(log, "ab") as out:
        subprocess.run(java + ["kafka.tools.StorageTool", "format", "--cluster-id", "MkU3OEVBNTcwNTJENDM2Qg", "--config",
                               f"{folder}/server.properties"], check=True, stdout=out, stderr=out)
        server = subprocess.Popen(java + ["kafka.Kafka", f"{folder}/server.properties"], stdout=out, stderr=out)
    try:
        wait_until(lambda: subprocess.run(["kcat", "-b", f"127.0.0.1:{broker}", "-L", "-m", "2"], stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL).returncode == 0, server, log)
        sizes = []
        for number, shape in enumerate(SHAPES):
            lines = f"{folder}/lines"
            with open(lines, "w", encoding="utf-8") as out:
                for key, value in envelopes(shape):
                    out.write(json.dumps(key, separators=(",", ":")) + "\t" + json.dumps(value, separators=(",", ":")) + "\n")
            size = {}
            for codec in ("none", "lz4"):
                topic = f"rows{number}{codec}"
                subprocess.run(["kcat", "-P", "-b", f"127.0.0.1:{broker}", "-t", topic, "-K", "\t", "-z", codec, "-X", "acks=all", "-l",
                                lines], check=True)
                data = f"{folder}/data/{topic}-0"
                size[codec] = sum(os.path.getsize(f"{data}/{file}") for file in os.listdir(data) if file.endswith(".log"))
            sizes.append(size)
        return sizes
    finally:
        end(server)


def report(shape, what, size, how):
    print(json.dumps({"suite": "space", "figure": f"{shape.name}: {what}", "value": round(size / shape.events, 1),
                      "unit": "bytes an event", "goal": 0, "met": True, "how": how}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("server_script")
    parser.add_argument("folder")
    args = parser.parse_args()
    folder = os.path.abspath(args.folder)
    os.makedirs(folder, exist_ok=True)
    of_postgres, of_mariadb, of_kafka = postgres(args.program, args.server_script, folder), mariadb(folder), kafka(folder)
    for shape, ours, binlog, topic in zip(SHAPES, of_postgres, of_mariadb, of_kafka):
        packed = ours["packed"]
        before = packed["packed_bytes_before"] or ours["log"]
        report(shape, "tidelog, lz4", before, f"{shape.events} events; the log's files")
        report(shape, "tidelog, zstd when sealed", ours["log"],
               "packed" if packed["packed"] else "not packed: that would save less than an eighth")
        report(shape, "tidelog, indexes beside it", ours["index"], "of the sealed segments")
        report(shape, "Postgres WAL", ours["wal"], "wal_level logical, without full page images")
        report(shape, "MariaDB binlog", binlog, "row format, full images")
        report(shape, "Kafka, plain", topic["none"], "Debezium's JSON without schemas; the topic's log")
        report(shape, "Kafka, lz4", topic["lz4"], "the same")


if __name__ == "__main__":
    main()
