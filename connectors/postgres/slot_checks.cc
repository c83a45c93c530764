#include "connectors/postgres/slot_checks.h"

#include <fmt/format.h>

#include "connectors/postgres/retained_wal.h"

namespace tidelog::postgres {
namespace {

class SlotChecks {
 public:
  explicit SlotChecks(Checkup& up) : up_(up) {}

  Status run() {
    if (up_.stored && up_.stored->slot != up_.slot) {
      up_.misconfigured(
          fmt::format("the store was filled from slot {}, but the configuration says {}",
                      up_.stored->slot, up_.slot),
          fmt::format("set slot: {}", up_.stored->slot));
      return {};
    }
    if (!up_.found.slot) return check_missing_slot();
    check_found_slot(*up_.found.slot);
    return up_.is_streaming ? check_ceiling(*up_.found.slot) : Status();
  }

 private:
  // `run` drops the slot when it has looked twice.
  Status check_ceiling(const Slot& slot) {
    TRY(const Lsn end, end_of_log(*up_.sql));
    const auto over = over_ceiling(up_.options, retained_bytes(slot, end));
    if (!over) return {};
    const std::string mend = "set a larger `retained_wal`, so that the source can catch up";
    switch (up_.options.retained_wal->then) {
      case RetainedWal::Then::warn:
        up_.warning(*over, mend);
        break;
      case RetainedWal::Then::stop:
        up_.misconfigured(*over, mend);
        break;
      case RetainedWal::Then::drop:
        up_.warning(*over + ": it will be dropped", mend);
        break;
    }
    return {};
  }

  Status check_missing_slot() {
    if (up_.is_streaming) {
      up_.lost(
          fmt::format("the slot {} does not exist any more: what was committed after {} "
                      "may be gone from the "
                      "server's log",
                      up_.slot, print_lsn(up_.stored->end_lsn)));
      return {};
    }
    TRY(const QueryResult counts,
        up_.sql->query("select count(*), current_setting('max_replication_slots') "
                       "from pg_replication_slots",
                       {}));
    TRY(const std::int64_t used, counts.integer(0, 0));
    TRY(const std::int64_t allowed, counts.integer(0, 1));
    if (used < allowed) return {};
    up_.misconfigured(
        fmt::format("no replication slot is free: {} of {} are in use", used, allowed),
        up_.server.set("max_replication_slots", std::to_string(allowed + 5),
                       ManagedServer::Holds::after_restart) +
            "; or drop one that is no longer needed (select * from pg_replication_slots)");
    return {};
  }

  void check_found_slot(const Slot& slot) {
    const std::string drop =
        fmt::format("SELECT pg_drop_replication_slot({});", quote_literal(up_.slot));
    if (slot.plugin != "pgoutput" || slot.database != up_.sql->database()) {
      up_.misconfigured(
          fmt::format("the slot {} is of plugin {} and database {}, not of pgoutput and {}",
                      up_.slot, slot.plugin.empty() ? "none (physical)" : slot.plugin,
                      slot.database.empty() ? "none" : slot.database, up_.sql->database()),
          "configure another name: slot: NAME");
      return;
    }
    if (slot.reader != 0) return check_reader(slot);
    if (!up_.stored) {
      up_.error(
          Code::conflict,
          fmt::format("the slot {} exists already, but this store has read nothing from it: it "
                      "belongs to another "
                      "store, or was left behind by one",
                      up_.slot),
          "use that store; or configure another name: slot: NAME; or if nothing needs it: " + drop);
      return;
    }
    if (up_.is_streaming) check_our_slot(slot, drop);
  }

  void check_reader(const Slot& slot) {
    const bool is_ours = up_.last_reader != 0 && slot.reader == up_.last_reader;
    up_.error(
        is_ours ? Code::unavailable : Code::conflict,
        fmt::format(
            "the slot {} is in use by process {} ({}){}", up_.slot, slot.reader, slot.reader_is,
            is_ours ? ", our own last connection, which the server has not given up yet" : ""),
        fmt::format("SELECT pg_terminate_backend({});", slot.reader));
  }

  void check_our_slot(const Slot& slot, const std::string& drop) {
    if (slot.wal_status == "lost" || slot.conflicting) {
      up_.lost(fmt::format("the slot {} was invalidated: the server has removed the log after {}",
                           up_.slot, print_lsn(up_.stored->end_lsn)),
               drop);
      return;
    }
    if (slot.confirmed > up_.stored->end_lsn) {
      up_.lost(
          fmt::format("the slot {} was read up to {} by somebody else, or dropped and made again, "
                      "or read by this store before it was put back to an older state (a restored "
                      "backup), which ends at {}: what lies between is lost to it",
                      up_.slot, print_lsn(slot.confirmed), print_lsn(up_.stored->end_lsn)));
    } else if (slot.confirmed < up_.stored->consistent) {
      up_.lost(
          fmt::format("the slot {} is not the one that this store reads: it stands at {}, and ours "
                      "began at {}; it was made again on a server that was put back to an older "
                      "state",
                      up_.slot, print_lsn(slot.confirmed), print_lsn(up_.stored->consistent)));
    }
    if (slot.wal_status == "unreserved") {
      up_.warning(
          fmt::format(
              "the slot {} is about to be invalidated: the server may remove its log at any time",
              up_.slot),
          up_.server.set("max_slot_wal_keep_size", "-1", ManagedServer::Holds::at_once));
    }
  }

  Checkup& up_;
};

}  // namespace

Status check_slot(Checkup& up) { return SlotChecks(up).run(); }

}  // namespace tidelog::postgres
