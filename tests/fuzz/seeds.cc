#include "tests/fuzz/seeds.h"

#include <doctest/doctest.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "connectors/postgres/binary_form.h"
#include "core/value_text.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/index_format.h"
#include "eventstore/recovery.h"
#include "tests/core/sample_values.h"
#include "tests/eventstore/every_file.h"
#include "tests/eventstore/store_fixture.h"
#include "tests/postgres/messages.h"
#include "tests/support/child_process.h"
#include "tests/support/paths.h"

namespace tidelog::fuzz {
namespace {

using testing::must;

std::string with_byte(std::size_t byte, std::string_view rest) {
  std::string out(1, static_cast<char>(byte));
  out += rest;
  return out;
}

std::string from_hex(const std::string& digits) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
    std::uint8_t byte = 0;
    std::from_chars(&digits[at], &digits[at] + 2, byte, 16);
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

// -- a store's files, and what is in them --

class FileSeeds {
 public:
  FileSeeds(testing::FaultyDisk& disk, Seeds& seeds)
      : disk_(disk), paths_("store"), seeds_(seeds) {}

  void add_all() {
    for (const auto& [path, content] : disk_.files()) add_file(path, content);
    const auto manifest = must(read_manifest(disk_, paths_));
    for (const auto& segment : manifest.segments) add_segment(segment);
  }

 private:
  void add(const char* target, std::string seed) { seeds_[target].push_back(std::move(seed)); }

  void add_file(const std::string& path, const std::string& content) {
    const auto ends_with = [&](const char* end) { return path.ends_with(end); };
    if (ends_with("/manifest")) add("manifest", content);
    if (ends_with("/durable")) add("durable_page", content);
    if (ends_with("/erasures") || ends_with("/origin") || ends_with("/home") ||
        ends_with("/backup"))
      add("marks", content);
    if (ends_with(".staging")) add("staging_file", with_byte(0, content));
    if (ends_with(".state") || ends_with(".base")) add("state_file", content);
    if (ends_with(".aggregate")) add("aggregate_file", content);
    if (ends_with(".index")) add_index(content);
    if (!ends_with("/superblock")) return;
    for (const std::uint64_t offset : format::superblock_slot_offsets) {
      if (offset < content.size())
        add("superblock", content.substr(offset, format::superblock_slot_bytes));
    }
  }

  void add_index(const std::string& content) {
    add("index_file", content);
    const auto header =
        must(format::read_index_header(content.substr(0, format::index_header_bytes)));
    add("index_parts", with_byte(0, content.substr(0, format::index_header_bytes)));
    const std::string directory = content.substr(header.directory_offset, header.directory_bytes);
    add("index_parts", with_byte(1, directory));
    const auto tables = must(format::read_index_directory(directory));
    constexpr std::pair<format::IndexTable, std::size_t> parts[] = {
        {format::IndexTable::blocks, 2},
        {format::IndexTable::names, 3},
        {format::IndexTable::streams, 4},
        {format::IndexTable::types, 5}};
    for (const auto& [table, part] : parts) {
      for (const auto& page : tables[static_cast<std::size_t>(table)])
        add("index_parts", with_byte(part, content.substr(page.offset, page.bytes)));
    }
  }

  // Cut behind the last batch: the zeros after it tell nothing.
  void add_segment(const format::ManifestSegment& segment) {
    const std::string path = paths_.segment(segment.id, segment.generation);
    const std::string content = disk_.files().at(path);
    const auto file = must(disk_.open_read(path));
    const auto head = must(read_head(*file, paths_, segment));
    add("segment_head", content.substr(0, head.first.file_offset));
    const std::uint64_t end = add_batches(*file, content, head.first);
    add("segment_file", with_byte(segment.generation, content.substr(0, end + 200)));
  }

  std::uint64_t add_batches(const File& file, const std::string& content,
                            const BatchCursor::Expected& first) {
    BatchCursor cursor(file, first);
    while (must(cursor.next()) == BatchCursor::Step::batch) {
      const format::BatchHeader& header = cursor.header();
      add("batch", with_byte(header.rewritten ? 1 : 0,
                             content.substr(cursor.file_offset(),
                                            header.header_bytes() + header.extension_bytes)));
      add_blocks(cursor, content);
      for (const auto& adopted : cursor.extension().adopted) add_adopted(header.file_id, adopted);
    }
    return cursor.expected().file_offset;
  }

  void add_blocks(BatchCursor& cursor, const std::string& content) {
    for (std::size_t n = 0; n < cursor.extension().blocks.size(); ++n) {
      const format::BlockEntry entry = cursor.extension().blocks[n];
      std::string seed = with_byte(static_cast<std::size_t>(entry.codec), "");
      put_le(seed, static_cast<std::uint16_t>(entry.raw_bytes));
      add("block", seed + content.substr(cursor.block_offset(n), entry.stored_bytes));
      add("records", std::string(must(cursor.block(n))));
    }
  }

  void add_adopted(std::uint64_t segment_id, const format::AdoptedFile& adopted) {
    const std::string path = paths_.adopted(segment_id, adopted.staging_id, adopted.generation);
    const std::string content = disk_.files().at(path);
    add("staging_file", with_byte(adopted.generation, content));
    BatchCursor::Expected first;
    first.file_id = adopted.staging_id;
    first.generation = adopted.generation;
    first.staged = true;
    const auto file = must(disk_.open_read(path));
    add_batches(*file, content, first);
  }

  testing::FaultyDisk& disk_;
  StorePaths paths_;
  Seeds& seeds_;
};

// -- values --

void add_values(Seeds& seeds) {
  std::string row;
  std::size_t count = 0;
  Schema schema{"public", "t", ReplicaIdentity::primary_key, {}};
  for (const Value& value : testing::sample_values()) {
    const std::string bytes = testing::stored(value);
    if (bytes.size() > 200) continue;
    seeds["values"].push_back(bytes);
    row += bytes;
    ++count;
    const bool has_text = value.kind() > ValueKind::unchanged;
    schema.columns.push_back(
        {"c", "type", has_text ? value.kind() : ValueKind::text, count == 1, 1, 77});
    std::string text;
    print_value(text, value);
    if (has_text)
      seeds["postgres_values"].push_back(
          with_byte(static_cast<std::size_t>(value.kind()) - 2, text));
    if (count % 8 != 0) continue;
    seeds["rows"].push_back(with_byte(count, row));
    std::string encoded;
    put_schema(encoded, schema);
    seeds["schemas"].push_back(with_byte(encoded.size(), encoded + row));
    row.clear();
    count = 0;
    schema.columns.clear();
  }
  const PostgresResume resume{PostgresResume::Phase::streaming, 7, 1, {99}, "slot"};
  MysqlResume mysql;
  mysql.server = "7";
  MysqlResume by_place = mysql;
  by_place.executed = MysqlResume::Place{{"binlog.000003", 1234}, 1};
  mysql.executed = MysqlResume::Gtids{"0-1-100"};
  seeds["source_positions"] = {encode(resume),
                               encode(Lsn{77}),
                               "16/B374D848",
                               encode(mysql),
                               encode(by_place),
                               encode_gtid("0-1-100"),
                               encode(BinlogPlace{"binlog.000003", 1234})};
}

// -- what a server sends --

void add_messages(Seeds& seeds) {
  using namespace testing;
  std::string insert = "I";
  put_be(insert, std::uint32_t{9});
  insert += 'N';
  put_tuple(insert, {"t7", "thi"});
  std::string update = "U";
  put_be(update, std::uint32_t{9});
  update += 'K';
  put_tuple(update, {"t7", "n"});
  update += 'N';
  put_tuple(update, {"t8", "u"});
  std::string remove = "D";
  put_be(remove, std::uint32_t{9});
  remove += 'K';
  put_tuple(remove, {"t8", "n"});
  const std::vector<std::string> messages = {
      begin_message(100, 5, 771),
      origin_message(3, "elsewhere"),
      type_message(77, "public", "mood"),
      relation_message(9, "public", "orders", 'd', {{true, "id", 23}, {false, "note", 25}}),
      insert,
      update,
      remove,
      commit_message(100, 110, 5)};
  std::string stream;
  for (const std::string& message : messages) {
    seeds["pgoutput"].push_back(message);
    stream += with_byte(message.size(), message);
  }
  // The same rows in pieces with a sub-transaction that is rolled back, and prepared.
  const PrepareBytes prepare{120, 130, 5, 772, "order-7"};
  std::vector<std::string> others = {stream_start_message(771, true)};
  for (const std::size_t row : {2U, 3U, 4U, 5U})
    others.push_back(in_stream(row == 5 ? 773 : 771, messages[row]));
  others.insert(others.end(),
                {stream_stop_message(), stream_abort_message(771, 773),
                 parallel_abort_message(771, 773, 90, 5), stream_commit_message(771, 110, 115, 5),
                 begin_prepare_message(prepare), messages[3], messages[4], prepare_message(prepare),
                 commit_prepared_message(140, 150, 5, 772, "order-7"),
                 rollback_prepared_message(130, 160, 5, 772, "order-7"),
                 stream_prepare_message({170, 180, 5, 774, "order-8"})});
  std::string in_pieces;
  for (const std::string& message : others) {
    seeds["pgoutput"].push_back(message);
    in_pieces += with_byte(message.size(), message);
  }
  const std::string in_binary =
      insert_message(9, {std::string("b\0\0\0\1", 5), "b" + std::string(8, '\2')});
  seeds["pgoutput"].push_back(in_binary);
  std::string binary;
  for (const std::string& message :
       {messages[0], messages[2], in_binary, messages.back(), begin_prepare_message(prepare),
        in_binary, prepare_message(prepare)})
    binary += with_byte(message.size(), message);
  const std::string drop = logical_message(
      true, 99, "tidelog.ddl", "1:11:t0:10:DROP TABLE1:d1:17:dropped1:96:public6:orders");
  std::string dropping = with_byte(messages[0].size(), messages[0]) + with_byte(drop.size(), drop);
  dropping += with_byte(messages.back().size(), messages.back());
  seeds["change_stream"] = {
      stream, stream + stream, in_pieces, stream + in_pieces, stream + dropping, binary};
}

// As a server sent them.
void add_binary_values(Seeds& seeds) {
  std::ifstream file(testing::source_folder() / "tests/postgres/golden/binary_values_18.txt");
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::array<std::string, 6> fields;
    for (std::string& field : fields) std::getline(in, field, '\t');
    const auto form_of = [](const std::string& output, const std::string& send) {
      const auto form = postgres::form_of_functions(output, send, 180'000);
      return static_cast<std::size_t>(form.value_or(postgres::BinaryForm::as_text));
    };
    seeds["binary_values"].push_back(
        with_byte(form_of(fields[0], fields[1]),
                  with_byte(form_of(fields[2], fields[3]), from_hex(fields[5]))));
  }
}

// Messages that event triggers wrote, and descriptions alone.
void add_ddl(Seeds& seeds) {
  std::ifstream file(testing::source_folder() / "tests/postgres/golden/ddl_18.hex");
  for (std::string line; std::getline(file, line);) {
    const std::string content = from_hex(line);
    const std::size_t table = content.find("5:table0:0:");
    if (table != std::string::npos) seeds["ddl_message"].push_back(content.substr(table + 11));
    seeds["ddl_message"].push_back(std::move(content));
  }
}

void add_texts(Seeds& seeds) {
  seeds["postgres_texts"] = {"7\ttext\\t\\N\t\\N",
                             "1\t16/B374D848\treason\n2\t17/0\tother",
                             "public.*",
                             "\"a b\".\"What?\"",
                             "postgresql://user:secret@host:5432/shop?sslmode=require",
                             "host=/run/x user='a b' password='it\\'s'"};
  seeds["json_text"] = {R"({"a": [1, -2.5e+3, "x\ud83d\ude00", {}, [], true, null]})",
                        "text \n\x01",
                        "\xff\xfe",
                        "[1,2]",
                        R"(["\ud800", 1e999, "\udc00\ud800", -0.0E-9])",
                        "[" + std::string(400, '7') + "]"};
}

// -- what a person writes --

void add_configurations(Seeds& seeds) {
  for (const auto& entry : std::filesystem::directory_iterator(testing::source_folder() / "config"))
    seeds["config"].push_back(testing::content_of(entry.path()));
  seeds["config"].push_back(
      "store:\n  path: \"${FOLDER}/shop\"\n  segment_size: 1 MiB\n  disk_floor: 0 MiB\n"
      "  compress: zstd\n  max_bytes: 2 GiB\n"
      "  snapshots: { events: 5000, bytes: 64 MiB, time: 30 min, keep: 9 }\n"
      "  retention:\n    - { streams: 'cart.*', max_age: 7 d, max_count: 5 }\n"
      "    - { streams: '*', compact: true, keep_deletions: 90 s }\n");
  seeds["config"].push_back(
      "store: { path: &a s }\nsources: [{ name: x, postgres: ${SHOP_URL}, "
      "tables: [a.*, *a], slot: one }]\n");
}

void add_commands(Seeds& seeds) {
  seeds["command_texts"] = {"1234",
                            "2026-11-24T10:00:00.5Z",
                            "2026-11-24 10:00:00+02:30",
                            "2026-11-24",
                            "-90s",
                            "-1d",
                            "no-stream",
                            "exists",
                            "6f1c8f9e-52c1-4d0b-9f7e-2b1d6a3c4e5f",
                            "shop.*.o?dersshop.public.orders",
                            "*a*b*caabbcabc",
                            R"(["2026-11-24", 7])",
                            R"(["O\u0027Brien", -1.50, true])",
                            "\\x00ff",
                            "updat"};
  seeds["append_lines"] = {
      R"({"type":"Placed","data":{"total": 1.50, "lines":[]}})",
      R"({"data":"plain","content_type":"text/plain","key":"k","metadata":{"by":"me"}})",
      R"( {"id":"6f1c8f9e-52c1-4d0b-9f7e-2b1d6a3c4e5f","correlation_id":"a","causation_id":"b"} )",
      R"({"data":[1e999,"\ud800"],"key":null,"type":"\ud83d\ude00"})",
      R"({"type":"\udc00"})",
      std::string("{\"type\":\"x\"}\0 more", 18)};
}

}  // namespace

Seeds all_seeds() {
  Seeds seeds;
  testing::EveryFile made;
  FileSeeds(made.disk, seeds).add_all();
  add_values(seeds);
  add_messages(seeds);
  add_ddl(seeds);
  add_binary_values(seeds);
  add_mysql_events(seeds);
  add_texts(seeds);
  add_configurations(seeds);
  add_commands(seeds);
  add_mysql_rows(seeds);
  return seeds;
}

}  // namespace tidelog::fuzz
