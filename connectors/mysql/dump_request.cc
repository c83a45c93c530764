#include "connectors/mysql/dump_request.h"

#include <fmt/format.h>

#include <limits>

#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

// Flags of the commands: of MySQL, of MariaDB, of both.
constexpr std::uint16_t stop_at_end = 0x1;
constexpr std::uint16_t heartbeats_v2 = 0x2;      // MySQL 8.0.26
constexpr std::uint16_t annotate_rows_too = 0x2;  // MariaDB
constexpr unsigned has_heartbeats_v2_from = 80026;
constexpr unsigned has_tags_from = 80300;
constexpr std::uint64_t first_event_offset = 4;

std::uint16_t flags_of(const ServerVersion& server, bool stops_at_end) {
  std::uint16_t flags = stops_at_end ? stop_at_end : 0;
  if (server.flavour == Flavour::mariadb) return flags | annotate_rows_too;
  return server.number < has_heartbeats_v2_from ? flags : flags | heartbeats_v2;
}

// -- the session --

// A slow reader is not thrown out; events come with the checksum that they have.
std::string settings_of_all(const DumpRequest& request) {
  const auto nanoseconds = std::chrono::nanoseconds(request.heartbeat).count();
  return fmt::format(
      "SET SESSION net_write_timeout = 3600, @master_binlog_checksum = 'CRC32', "
      "@source_binlog_checksum = 'CRC32', @master_heartbeat_period = {0}, "
      "@source_heartbeat_period = {0}",
      nanoseconds);
}

// MariaDB's GTID events are sent as they are only to who knows them: capability 4.
std::string settings_of_mariadb(const MariadbGtidPosition* position) {
  std::string settings = "SET @mariadb_slave_capability = 4";
  if (position != nullptr) {
    settings += fmt::format(
        ", @slave_connect_state = {}, @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = "
        "0",
        quote_text(position->print()));
  }
  return settings;
}

Status prepare_session(Connection& connection, const DumpRequest& request, const StopSignal& stop) {
  TRY_DO(connection.query(settings_of_all(request), stop));
  if (!connection.is_mariadb()) return {};
  const auto* const position = std::get_if<MariadbGtidPosition>(&request.start);
  TRY_DO(connection.query(settings_of_mariadb(position), stop));
  return {};
}

// -- the command --

struct Command {
  DumpCommand number = DumpCommand::by_place;
  std::string argument;
};

// u32 offset | u16 flags | u32 server id | name
Result<Command> command_of(const ServerVersion& server, const DumpRequest& request,
                           const BinlogPlace& place) {
  Command command;
  if (place.offset > std::numeric_limits<std::uint32_t>::max()) {
    return fail(Code::unsupported,
                fmt::format("a dump cannot begin at {} of {}: a place beyond 4 GB has no number in "
                            "the command; turn GTIDs on, or begin with the next file",
                            place.offset, place.file));
  }
  put_le(command.argument, static_cast<std::uint32_t>(place.offset));
  put_le(command.argument, flags_of(server, request.stops_at_end));
  put_le(command.argument, request.server_id);
  command.argument += place.file;
  return command;
}

// u16 flags | u32 server id | u32 size, name | u64 offset | u32 size, set
Result<Command> command_of(const ServerVersion& server, const DumpRequest& request,
                           const GtidSet& set) {
  if (server.flavour != Flavour::mysql)
    return fail(Code::unsupported, "MariaDB has no sets of GTIDs as MySQL has");
  if (set.has_tags() && server.number < has_tags_from) {
    return fail(Code::history_lost, fmt::format("the set of GTIDs has tags, which server {} cannot "
                                                "have executed: {}",
                                                server.text, set.print()));
  }
  Command command{DumpCommand::by_gtids, {}};
  put_le(command.argument, flags_of(server, request.stops_at_end));
  put_le(command.argument, request.server_id);
  put_le<std::uint32_t>(command.argument, 0);
  put_le(command.argument, first_event_offset);
  std::string encoded;
  put_gtid_set(encoded, set);
  put_le(command.argument, static_cast<std::uint32_t>(encoded.size()));
  command.argument += encoded;
  return command;
}

// The session's settings say where.
Result<Command> command_of(const ServerVersion& server, const DumpRequest& request,
                           const MariadbGtidPosition& /*position*/) {
  if (server.flavour != Flavour::mariadb)
    return fail(Code::unsupported, "MySQL has no positions of GTIDs as MariaDB has");
  return command_of(server, request, BinlogPlace{{}, first_event_offset});
}

}  // namespace

EventCheck::Continuity continuity_of(const DumpStart& start) {
  return std::holds_alternative<BinlogPlace>(start) ? EventCheck::Continuity::every_event
                                                    : EventCheck::Continuity::some_events;
}

Result<BinlogDump> begin_dump(Connection connection, const DumpRequest& request,
                              const StopSignal& stop) {
  TRY(const Command command,
      std::visit(
          [&](const auto& start) { return command_of(connection.version(), request, start); },
          request.start));
  TRY_DO(prepare_session(connection, request, stop));
  TRY(BinlogDump dump, BinlogDump::open(std::move(connection)));
  TRY_DO(dump.register_as_replica(request.server_id, request.name, stop));
  TRY_DO(dump.begin(command.number, command.argument));
  return dump;
}

}  // namespace tidelog::mysql
