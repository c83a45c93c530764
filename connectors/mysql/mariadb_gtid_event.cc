#include "connectors/mysql/mariadb_gtid_event.h"

#include <algorithm>

#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

enum Flags : std::uint8_t {
  standalone = 1,
  group_commit_id = 2,
  ddl = 32,
  prepared_xa = 64,
  completed_xa = 128,
};

enum ExtraFlags : std::uint8_t {
  multi_engine = 1,
  start_alter = 2,
  commit_alter = 4,
  rollback_alter = 8,
  thread_id = 16,
};
constexpr unsigned extra_known =
    multi_engine | start_alter | commit_alter | rollback_alter | thread_id;

constexpr std::uint32_t list_count_mask = (std::uint32_t{1} << 28) - 1;
constexpr std::size_t list_entry_bytes = 16;

bool is_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
}

AlterPhase phase_of(unsigned extra) {
  if ((extra & start_alter) != 0) return AlterPhase::start;
  if ((extra & commit_alter) != 0) return AlterPhase::commit;
  return (extra & rollback_alter) != 0 ? AlterPhase::rollback : AlterPhase::none;
}

// u8 flags | u8 engines | u64 start of the ALTER | u32 thread. Later servers may add more.
void read_extra(ByteReader& in, MariadbGtidEvent& event) {
  const auto extra = in.le<std::uint8_t>();
  if ((extra & multi_engine) != 0) in.le<std::uint8_t>();
  event.alter = phase_of(extra);
  if ((extra & (commit_alter | rollback_alter)) != 0) event.alter_start = in.le<std::uint64_t>();
  if ((extra & thread_id) != 0) in.le<std::uint32_t>();
  const std::string_view rest = in.rest();  // zeros up to the least size
  if ((extra & ~extra_known) == 0 && !is_zero(rest)) in.fail();
}

}  // namespace

// u64 sequence | u32 domain | u8 flags | u64 commit id | u32 format, u8 size, u8 size, XA's name |
// extra; the last three as the flags say
Result<MariadbGtidEvent> read_mariadb_gtid_event(const Event& bytes) {
  ByteReader in(bytes.body);
  MariadbGtidEvent event;
  event.gtid.server_id = bytes.header.server_id;
  event.gtid.sequence = in.le<std::uint64_t>();
  event.gtid.domain = in.le<std::uint32_t>();
  const auto flags = in.le<std::uint8_t>();
  event.is_standalone = (flags & standalone) != 0;
  event.is_ddl = (flags & ddl) != 0;
  if ((flags & group_commit_id) != 0) in.le<std::uint64_t>();
  if ((flags & (prepared_xa | completed_xa)) != 0) {
    event.xa =
        (flags & prepared_xa) != 0 ? MariadbGtidEvent::Xa::prepare : MariadbGtidEvent::Xa::complete;
    const auto format = in.le<std::uint32_t>();
    const auto global_bytes = in.le<std::uint8_t>();
    const auto branch_bytes = in.le<std::uint8_t>();
    event.xa_id = read_xa_id(in, format, global_bytes, branch_bytes);
  }
  if (in.remaining() != 0) read_extra(in, event);
  return in.finish(std::move(event), "MariaDB's Gtid");
}

// u32 count and, in its highest bits, flags | (u32 domain | u32 server id | u64 sequence)*, or two
// zeros when there are none
Result<std::vector<MariadbGtid>> read_gtid_list(std::string_view body) {
  ByteReader in(body);
  std::vector<MariadbGtid> list;
  const std::uint32_t count = in.le<std::uint32_t>() & list_count_mask;
  if (count > in.remaining() / list_entry_bytes) in.fail();
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    MariadbGtid& gtid = list.emplace_back();
    gtid.domain = in.le<std::uint32_t>();
    gtid.server_id = in.le<std::uint32_t>();
    gtid.sequence = in.le<std::uint64_t>();
  }
  if (count == 0 && in.le<std::uint16_t>() != 0) in.fail();
  return in.finish(std::move(list), "Gtid_list");
}

}  // namespace tidelog::mysql
