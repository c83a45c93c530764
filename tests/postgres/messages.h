// Bytes as pgoutput sends them, for tests that have no server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"

namespace tidelog::testing {

inline void put_cstr(std::string& out, std::string_view bytes) {
  out.append(bytes);
  out.push_back('\0');
}

struct ColumnBytes {
  bool key;
  std::string name;
  std::uint32_t type;
  std::int32_t modifier = -1;
};

// A tuple's columns: "tTEXT" text, "n" null, "u" unchanged, "bBYTES" binary.
inline void put_tuple(std::string& out, const std::vector<std::string>& columns) {
  put_be(out, static_cast<std::uint16_t>(columns.size()));
  for (const std::string& column : columns) {
    out.push_back(column[0]);
    if (column[0] == 'n' || column[0] == 'u') continue;
    put_be(out, static_cast<std::uint32_t>(column.size() - 1));
    out.append(column, 1);
  }
}

inline std::string begin_message(std::uint64_t commit_lsn, std::int64_t time, std::uint32_t xid) {
  std::string out = "B";
  put_be(out, commit_lsn);
  put_be(out, time);
  put_be(out, xid);
  return out;
}

inline std::string commit_message(std::uint64_t commit_lsn, std::uint64_t end_lsn,
                                  std::int64_t time) {
  std::string out("C\0", 2);
  put_be(out, commit_lsn);
  put_be(out, end_lsn);
  put_be(out, time);
  return out;
}

inline std::string origin_message(std::uint64_t lsn, std::string_view name) {
  std::string out = "O";
  put_be(out, lsn);
  put_cstr(out, name);
  return out;
}

inline std::string relation_message(std::uint32_t oid, std::string_view schema,
                                    std::string_view table, char identity,
                                    const std::vector<ColumnBytes>& columns) {
  std::string out = "R";
  put_be(out, oid);
  put_cstr(out, schema);
  put_cstr(out, table);
  out.push_back(identity);
  put_be(out, static_cast<std::uint16_t>(columns.size()));
  for (const ColumnBytes& column : columns) {
    out.push_back(column.key ? '\1' : '\0');
    put_cstr(out, column.name);
    put_be(out, column.type);
    put_be(out, column.modifier);
  }
  return out;
}

inline std::string type_message(std::uint32_t oid, std::string_view schema, std::string_view name) {
  std::string out = "Y";
  put_be(out, oid);
  put_cstr(out, schema);
  put_cstr(out, name);
  return out;
}

inline std::string insert_message(std::uint32_t oid, const std::vector<std::string>& row) {
  std::string out = "I";
  put_be(out, oid);
  out.push_back('N');
  put_tuple(out, row);
  return out;
}

// `old_kind`: K, O, or 0 for no old row.
inline std::string update_message(std::uint32_t oid, char old_kind,
                                  const std::vector<std::string>& old_row,
                                  const std::vector<std::string>& row) {
  std::string out = "U";
  put_be(out, oid);
  if (old_kind != 0) {
    out.push_back(old_kind);
    put_tuple(out, old_row);
  }
  out.push_back('N');
  put_tuple(out, row);
  return out;
}

inline std::string delete_message(std::uint32_t oid, char old_kind,
                                  const std::vector<std::string>& old_row) {
  std::string out = "D";
  put_be(out, oid);
  out.push_back(old_kind);
  put_tuple(out, old_row);
  return out;
}

inline std::string truncate_message(std::uint8_t options, const std::vector<std::uint32_t>& oids) {
  std::string out = "T";
  put_be(out, static_cast<std::uint32_t>(oids.size()));
  out.push_back(static_cast<char>(options));
  for (const std::uint32_t oid : oids) put_be(out, oid);
  return out;
}

inline std::string logical_message(bool transactional, std::uint64_t lsn, std::string_view prefix,
                                   std::string_view content) {
  std::string out = "M";
  out.push_back(transactional ? '\1' : '\0');
  put_be(out, lsn);
  put_cstr(out, prefix);
  put_be(out, static_cast<std::uint32_t>(content.size()));
  out.append(content);
  return out;
}

// -- in pieces and prepared --

inline std::string stream_start_message(std::uint32_t xid, bool first) {
  std::string out = "S";
  put_be(out, xid);
  out.push_back(first ? '\1' : '\0');
  return out;
}

inline std::string stream_stop_message() { return "E"; }

// As it is sent inside of a piece.
inline std::string in_stream(std::uint32_t xid, const std::string& message) {
  std::string out = message.substr(0, 1);
  put_be(out, xid);
  out += message.substr(1);
  return out;
}

inline std::string stream_commit_message(std::uint32_t xid, std::uint64_t commit_lsn,
                                         std::uint64_t end_lsn, std::int64_t time) {
  std::string out = "c";
  put_be(out, xid);
  out += commit_message(commit_lsn, end_lsn, time).substr(1);
  return out;
}

inline std::string stream_abort_message(std::uint32_t xid, std::uint32_t sub_xid) {
  std::string out = "A";
  put_be(out, xid);
  put_be(out, sub_xid);
  return out;
}

inline std::string parallel_abort_message(std::uint32_t xid, std::uint32_t sub_xid,
                                          std::uint64_t lsn, std::int64_t time) {
  std::string out = stream_abort_message(xid, sub_xid);
  put_be(out, lsn);
  put_be(out, time);
  return out;
}

struct PrepareBytes {
  std::uint64_t prepare_lsn = 0;
  std::uint64_t end_lsn = 0;
  std::int64_t time = 0;
  std::uint32_t xid = 0;
  std::string gid;
};

inline std::string prepare_rest(const PrepareBytes& prepare) {
  std::string out;
  put_be(out, prepare.prepare_lsn);
  put_be(out, prepare.end_lsn);
  put_be(out, prepare.time);
  put_be(out, prepare.xid);
  put_cstr(out, prepare.gid);
  return out;
}

inline std::string begin_prepare_message(const PrepareBytes& prepare) {
  return "b" + prepare_rest(prepare);
}

inline std::string prepare_message(const PrepareBytes& prepare) {
  return std::string("P\0", 2) + prepare_rest(prepare);
}

inline std::string stream_prepare_message(const PrepareBytes& prepare) {
  return std::string("p\0", 2) + prepare_rest(prepare);
}

inline std::string commit_prepared_message(std::uint64_t commit_lsn, std::uint64_t end_lsn,
                                           std::int64_t time, std::uint32_t xid,
                                           std::string_view gid) {
  std::string out = "K" + commit_message(commit_lsn, end_lsn, time).substr(1);
  put_be(out, xid);
  put_cstr(out, gid);
  return out;
}

inline std::string rollback_prepared_message(std::uint64_t prepare_end_lsn, std::uint64_t end_lsn,
                                             std::int64_t time, std::uint32_t xid,
                                             std::string_view gid) {
  std::string out("r\0", 2);
  put_be(out, prepare_end_lsn);
  put_be(out, end_lsn);
  put_be(out, time);
  put_be(out, time + 1);
  put_be(out, xid);
  put_cstr(out, gid);
  return out;
}

}  // namespace tidelog::testing
