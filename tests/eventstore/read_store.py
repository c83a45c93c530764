#!/usr/bin/python3
"""Reads a store by eventstore/FORMAT.md alone, and prints its events as JSON lines.

    read_store.py STORE

Written from that page and from nothing else: section numbers below are its. It shares no code and no constant with the
program, so that an agreement of the two (format_reader_test.cc) says that the page is right and complete. It reads a
store that nobody writes to, and believes no byte before its checksum. Debian's python3-lz4 and python3-zstd inflate.
"""
import json
import os
import struct
import sys

import lz4.block
import zstd


class Damaged(Exception):
    """Bytes that are not what the page says."""


# -- conventions --


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()


def crc(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = CRC_TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def expect(condition, why):
    if not condition:
        raise Damaged(why)


class Bytes:
    """A reader of the innermost forms, in order."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        expect(count <= self.left(), "shorter than its content says")
        self.at += count
        return self.data[self.at - count:self.at]

    def fixed(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def u8(self):
        return self.fixed("B")

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                expect(value < 1 << 64, "a varint beyond 64 bits")
                expect(byte or not shift, "a varint longer than its value needs")
                return value
        raise Damaged("a varint of more than 10 bytes")

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def sized(self):
        return self.take(self.varint())

    def name(self):
        return self.sized().decode()

    def list(self, item):
        return [item(self) for _ in range(self.varint())]

    def end(self):
        expect(self.left() == 0, "longer than its content says")


# -- section 2: manifest --


def read_manifest(data):
    expect(crc(data[:-4]) == struct.unpack("<I", data[-4:])[0], "manifest: checksum")
    magic, version, uuid, count = struct.unpack_from("<4sI16sQ", data)
    expect(magic == b"TLGM" and version == 1, "manifest: not of version 1")
    segments = [struct.unpack_from("<QIQ", data, 32 + 20 * i) for i in range(count)]
    return uuid, segments


# -- sections 3 and 7: how far a reader may go --


def superblock_bound(data):
    best = (0, 0, 0)
    for offset in (0, 4096):
        slot = data[offset:offset + 64]
        if len(slot) < 64 or crc(slot[:60]) != struct.unpack_from("<I", slot, 60)[0]:
            continue
        magic, version, counter, batches, position = struct.unpack_from("<4sIQQQ", slot)
        expect(magic == b"TLGS" and version == 1, "superblock: not of version 1")
        best = max(best, (counter, batches, position))
    return best[1], best[2]


def durable_bound(data):
    if len(data) < 72:
        return None
    words = struct.unpack_from("<9Q", data)
    batches, position, changed, check = words[1:5] if words[0] % 2 == 0 else words[5:9]
    expected = (changed * 0x9E3779B97F4A7C15 + position) * 0x9E3779B97F4A7C15 % 2**64
    expected ^= (batches + 0x746964656C6F6731) % 2**64
    return (batches, position) if check == expected else None


# -- section 4: segment --


def life(data):
    status, first = data.u8(), data.varint()
    expect(status in (0, 1, 2), "a stream's state of a newer format")
    return status, first


def stream_entry(data):
    return data.varint(), data.name(), data.varint(), life(data)


def source_entry(data):
    return data.varint(), data.name(), data.sized(), data.zigzag(), data.zigzag()


def schema_entry(data):
    return data.varint(), data.varint(), data.sized()


def read_head(data):
    expect(data[:4] == b"TLGH" and crc(data[8:80]) == struct.unpack_from("<I", data, 4)[0], "head: checksum")
    names = "version generation id base sequence append_time chain next_schema next_staging body_bytes body_crc"
    head = dict(zip(names.split(), struct.unpack_from("<IIQQQqIIQQI", data, 8)))
    expect(head["version"] == 1, "head: not of version 1")
    body = data[80:80 + head["body_bytes"]]
    expect(len(body) == head["body_bytes"] and crc(body) == head["body_crc"], "head: checksum of the body")
    body = Bytes(body)
    head["streams"] = body.list(stream_entry)
    head["sources"] = body.list(source_entry)
    head["schemas"] = body.list(schema_entry)
    body.end()
    head["bytes"] = aligned(80 + head["body_bytes"])
    return head


def aligned(count):
    return (count + 7) // 8 * 8


# -- section 5: batch --

HEADER = "version flags zero generation file sequence base count append_time commit_time durable chain source " \
    "extension_bytes extension_crc body_bytes"


def read_header(data, offset):
    """The batch's header, or None at zeros."""
    fixed = data[offset:offset + 96]
    if not any(fixed):
        return None
    expect(len(fixed) == 96 and fixed[:4] == b"TLGB", f"no batch at {offset}")
    header_crc = struct.unpack_from("<I", fixed, 4)[0]
    expect(crc(fixed[8:]) == header_crc, f"batch at {offset}: checksum of its header")
    header = dict(zip(HEADER.split(), struct.unpack_from("<BBHIQQQQqqQIIIIQ", fixed, 8)))
    expect(header["version"] == 1 and header["flags"] in (0, 1, 2), f"batch at {offset}: a newer format")
    header["crc"] = header_crc
    return header


def read_second_header(data, offset, header):
    """What the second header of a batch in a rewritten file says instead (section 9)."""
    fixed = data[offset:offset + 40]
    expect(len(fixed) == 40 and fixed[:4] == b"TLGR", f"no second header at {offset}")
    second_crc, generation, extension_bytes, extension_crc, original = struct.unpack_from("<IIIII", fixed, 4)
    body_bytes, kept = struct.unpack_from("<QQ", fixed, 24)
    expect(crc(fixed[8:]) == second_crc, f"second header at {offset}: its checksum")
    expect(original == header["crc"] and kept <= header["count"], f"second header at {offset}: of another batch")
    header.update(file_generation=generation, extension_bytes=extension_bytes, extension_crc=extension_crc,
                  body_bytes=body_bytes)


def named(data):
    return data.varint(), data.name()


def run_entry(data):
    return data.varint(), data.varint(), data.varint()


def block_entry(data):
    return data.varint(), data.varint(), data.varint(), data.u8(), data.fixed("I")


def adopted_entry(data):
    return data.varint(), data.varint(), data.varint(), data.varint(), data.varint(), data.fixed("I")


def change_entry(data):
    return data.varint(), data.varint(), life(data)


def read_extension(data):
    data = Bytes(data)
    extension = {"source_position": data.sized()}
    for name, item in (("runs", run_entry), ("streams", named), ("sources", named), ("schemas", schema_entry),
                       ("blocks", block_entry), ("adopted", adopted_entry), ("changes", change_entry)):
        extension[name] = data.list(item)
    data.end()
    return extension


def inflate(stored, raw_bytes, codec):
    if codec == 0:
        raw = stored
    elif codec == 1:
        raw = lz4.block.decompress(stored, uncompressed_size=raw_bytes)
    elif codec == 2:
        raw = zstd.uncompress(stored)
    else:
        raise Damaged(f"codec {codec} is of a newer format")
    expect(len(raw) == raw_bytes, "a block does not inflate to its length")
    return raw


class Walk:
    """The batches of one file, each verified: (header, extension, raw blocks)."""

    def __init__(self, data, offset, staged, generation, file, sequence, chain, base):
        self.data, self.offset, self.staged = data, offset, staged
        self.generation, self.file = generation, file
        self.sequence, self.chain, self.base = sequence, chain, base

    def next(self):
        header = read_header(self.data, self.offset)
        if header is None:
            return None
        expect((header["flags"] == 2) == self.staged, "a batch of the other kind of file")
        for field in ("file", "sequence", "chain", "base"):
            expect(header[field] == getattr(self, field), f"batch at {self.offset}: {field}")
        expect(header["generation"] == 0, f"batch at {self.offset}: first written in generation 0")
        begin = self.offset + 96
        if self.generation:
            read_second_header(self.data, begin, header)
            expect(header["file_generation"] == self.generation, f"batch at {self.offset}: generation")
            begin += 40
        extension_bytes = self.data[begin:begin + header["extension_bytes"]]
        expect(crc(extension_bytes) == header["extension_crc"], f"batch at {self.offset}: checksum of its extension")
        extension = read_extension(extension_bytes)
        begin += header["extension_bytes"]
        blocks = []
        at = begin
        for stored_bytes, raw_bytes, events, codec, block_crc in extension["blocks"]:
            stored = self.data[at:at + stored_bytes]
            expect(crc(stored) == block_crc, f"batch at {self.offset}: checksum of a block")
            blocks.append((inflate(stored, raw_bytes, codec), events))
            at += stored_bytes
        expect(at - begin == header["body_bytes"], f"batch at {self.offset}: length of its body")
        self.offset = aligned(at)
        self.sequence += 1
        self.chain = header["crc"]
        self.base += header["count"]
        return header, extension, blocks


# -- records --

TYPES = ("transaction load insert update delete truncate schema ddl message gap undecoded application erased "
         "stream_truncated stream_deleted stream_tombstoned load_step").split()
ROWS = ("load", "insert", "update", "delete")


def transaction_record(data):
    transaction = {"count": data.fixed("I"), "index": data.varint(), "commit_time": data.zigzag(), "id": data.name()}
    transaction["position"] = data.sized().hex()
    transaction["origin"] = data.name()
    if data.left():
        transaction["origin_position"] = data.sized().hex()
        transaction["global_id"] = data.name()
    return transaction


def attributes_of(data):
    found = []
    while data.left():
        found.append([data.u8(), data.sized().hex()])
    expect(sorted(set(tag for tag, _ in found)) == [tag for tag, _ in found], "attributes out of order")
    return found


def event_record(data, kind):
    flags = data.u8()
    expect(flags & ~63 == 0 and flags & 6 != 6, "flags of a newer format")
    event = {"type": TYPES[kind], "stream": data.varint(), "revision": data.varint(), "schema": data.varint(),
             "ordinal": data.varint(), "moved": bool(flags & 16)}
    event["key"] = data.sized() if flags & 1 else None
    event["before_kind"] = "key" if flags & 2 else "row" if flags & 4 else "none"
    event["before"] = data.sized() if flags & 6 else None
    event["body"] = data.sized() if flags & 8 else None
    event["attributes"] = attributes_of(Bytes(data.sized())) if flags & 32 else []
    return event


# -- rows and values --


def read_column(data):
    column = {"name": data.name(), "type": data.name(), "kind": data.u8()}
    flags = data.u8()
    column.update({"key": flags & 1 == 1, "type_id": data.varint(), "modifier": data.zigzag()})
    if flags & 2:
        column.update({"transform": data.u8(), "transform_detail": data.name()})
    return column


def read_schema(data):
    data = Bytes(data)
    schema = {"table_schema": data.name(), "table": data.name(), "identity": data.u8()}
    schema["columns"] = data.list(read_column)
    if data.left():
        schema["left_out"] = data.list(lambda d: d.name())
        if data.left() or not schema["left_out"]:
            schema.update({"table_id": data.varint(), "asked": data.u8()})
    data.end()
    return schema


def read_date(data):
    year, month, day = data.zigzag(), data.u8(), data.u8()
    return {255: "infinity", 254: "-infinity"}.get(month, f"{year}-{month}-{day}")


def read_moment(data):
    date = read_date(data)
    return date if date.endswith("infinity") else [date, data.zigzag()]


def read_interval(data):
    infinity = data.u8()
    if infinity:
        return "infinity" if infinity == 1 else "-infinity"
    return [data.zigzag(), data.zigzag(), data.zigzag()]


def read_array(data):
    dimensions = data.list(lambda d: [d.varint(), d.zigzag()])
    count = 1 if dimensions else 0
    for length, _ in dimensions:
        count *= length
    return {"dimensions": dimensions, "elements": [read_value(data) for _ in range(count)]}


def read_bits(data):
    count = data.varint()
    return [count, data.take((count + 7) // 8).hex()]


def text_of(data):
    return data.sized().decode()


def hex_of(data):
    return data.sized().hex()


VALUES = {
    2: ("boolean", lambda d: d.u8() == 1), 3: ("int64", Bytes.zigzag), 4: ("uint64", Bytes.varint),
    5: ("float32", lambda d: d.take(4)[::-1].hex()), 6: ("float64", lambda d: d.take(8)[::-1].hex()),
    7: ("decimal", text_of), 8: ("text", text_of), 9: ("bytes", hex_of), 10: ("date", read_date),
    11: ("time", Bytes.zigzag), 12: ("time_tz", lambda d: [d.zigzag(), d.zigzag()]),
    13: ("timestamp", read_moment), 14: ("timestamp_tz", read_moment), 15: ("interval", read_interval),
    16: ("uuid", lambda d: d.take(16).hex()), 17: ("json", text_of), 18: ("array", read_array),
    19: ("bits", read_bits), 20: ("enumeration", text_of), 21: ("set", text_of),
    22: ("geometry", lambda d: [d.varint(), hex_of(d)]), 23: ("vector", hex_of), 24: ("other", text_of)}


def read_value(data):
    tag = data.u8()
    if tag == 0:
        return None
    if tag == 1:
        return {"unchanged": True}
    expect(tag in VALUES, f"a value of kind {tag}, which is of a newer format")
    name, payload = VALUES[tag]
    return {name: payload(data)}


def read_values(data, columns):
    data = Bytes(data)
    values = [read_value(data) for _ in columns]
    data.end()
    return values


# -- the store --


class Store:
    def __init__(self, directory):
        self.directory = directory
        self.streams, self.sources, self.schemas = {}, {}, {}
        self.uuid, self.segments = read_manifest(self.file("manifest"))
        bound = durable_bound(self.file("durable"))
        self.batches, self.position = bound or superblock_bound(self.file("superblock"))

    def file(self, name):
        path = os.path.join(self.directory, name)
        if not os.path.exists(path):
            return b""
        with open(path, "rb") as file:
            return file.read()

    def define(self, extension):
        for number, name in extension["streams"]:
            self.streams[number] = name
        for number, name in extension["sources"]:
            self.sources[number] = name
        for number, _, schema in extension["schemas"]:
            self.schemas[number] = read_schema(schema)

    def events(self):
        before = None
        for number, generation, base in self.segments:
            data = self.file(f"segments/{number:08}-{generation}.log")
            head = read_head(data)
            expect((head["id"], head["generation"], head["base"]) == (number, generation, base), "a head's segment")
            if head["sequence"] > self.batches:
                break
            expect(before in (None, (head["sequence"], head["chain"], base)), f"segment {number} does not follow")
            for stream, name, _, _ in head["streams"]:
                self.streams[stream] = name
            for source, name, _, _, _ in head["sources"]:
                self.sources[source] = name
            for schema, _, form in head["schemas"]:
                self.schemas[schema] = read_schema(form)
            walk = Walk(data, head["bytes"], False, generation, number, head["sequence"], head["chain"], base)
            while walk.sequence < self.batches:
                batch = walk.next()
                if batch is None:
                    break
                yield from self.batch(number, *batch)
            before = (walk.sequence, walk.chain, walk.base)
        expect(before is None or before[0] == self.batches, "the log ends before its durable end")

    def batch(self, segment, header, extension, blocks):
        self.define(extension)
        revisions = {stream: revision for stream, revision, _ in extension["runs"]}
        around = {"append_time": header["append_time"], "source": self.sources.get(header["source"], "")}
        if not extension["adopted"]:
            yield from self.records(blocks, header["base"], revisions, around)
        for adopted in extension["adopted"]:
            yield from self.adopted(segment, adopted, header, revisions, around)

    def adopted(self, segment, adopted, commit, revisions, around):
        number, generation, file_bytes, batches, events, last_crc = adopted
        data = self.file(f"segments/{segment:08}.{number:08}-{generation}.adopted")
        walk = Walk(data[:file_bytes], 0, True, generation, number, 0, 0, 0)
        while (batch := walk.next()) is not None:
            header, extension, blocks = batch
            self.define(extension)
            in_file = {stream: revisions[stream] + revision for stream, revision, _ in extension["runs"]}
            for event in self.records(blocks, commit["base"] + header["base"], in_file, around):
                event["transaction"]["count"] = events
                event["transaction"]["index"] = event["position"] - commit["base"]
                yield event
        expect((walk.sequence, walk.base, walk.chain, walk.offset) == (batches, events, last_crc, file_bytes),
               f"adopted file {number} does not end as its commit says")

    def records(self, blocks, position, revisions, around):
        for raw, count in blocks:
            data = Bytes(raw)
            end = position + count
            transaction = None
            while data.left():
                record = Bytes(data.sized())
                kind = record.u8()
                if kind == 0:
                    transaction = transaction_record(record)
                    record.end()
                    continue
                if kind == 255:
                    removed = record.varint()
                    record.end()
                    position += removed
                    if transaction:
                        transaction["index"] += removed
                    continue
                expect(kind < len(TYPES), f"a record of type {kind}, which is of a newer format")
                event = event_record(record, kind)
                record.end()
                event["position"] = position
                event["revision"] += revisions[event["stream"]]
                event["transaction"] = dict(transaction)
                transaction["index"] += 1
                position += 1
                yield self.decoded(event, around)
            expect(position == end, "a block holds as many events as it says")

    def decoded(self, event, around):
        schema = self.schemas.get(event["schema"])
        event["stream"] = self.streams[event["stream"]]
        event.update(around)
        if event["type"] in ROWS:
            keys = [column for column in schema["columns"] if column["key"]]
            if event["key"] is not None:
                event["key"] = read_values(event["key"], keys)
            if event["before"] is not None:
                event["before"] = read_values(event["before"], keys if event["before_kind"] == "key"
                                              else schema["columns"])
            if event["body"] is not None:
                event["body"] = read_values(event["body"], schema["columns"])
        elif event["type"] == "schema":
            event["body"] = read_schema(event["body"])
        for field in ("key", "before", "body"):
            if isinstance(event[field], bytes):
                event[field] = event[field].hex()
        return event


def main():
    for event in Store(sys.argv[1]).events():
        print(json.dumps(event, sort_keys=True, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
