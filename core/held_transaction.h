// HeldTransaction: what a source has received of a transaction that has not ended yet. Some
// databases send transactions while they are in progress, several at once, or prepare them long
// before they commit. Their records are held as the source received them, which alone understands
// them, and are read back when the database says that the transaction committed: from then on it is
// like any other, with the schemas and the place of that moment. connectors/ fill them; ingest/
// gives them out (ChangeHandler::hold) and eventstore/ keeps them on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog {

// One thread. Destroying it forgets what it holds, unless it was kept (ChangeHandler::keep).
class HeldTransaction {
 public:
  virtual ~HeldTransaction() = default;

  // `part` is the sub-transaction that the record belongs to: any number that the source likes. The
  // record may come in two pieces: who leaves something out of it need not copy it.
  virtual Status add(std::uint64_t part, std::string_view head, std::string_view rest) = 0;
  Status add(std::uint64_t part, std::string_view record) { return add(part, record, {}); }
  // The sub-transaction was rolled back: what it added so far does not count.
  virtual void drop(std::uint64_t part) = 0;
  // Nothing is added for a while: gives back memory and file handles.
  virtual Status rest() = 0;

  struct Record {
    std::string_view bytes;  // borrowed for the call
    bool dropped = false;
  };
  // All records, in the order in which they were added.
  virtual Status for_each(const std::function<Status(const Record&)>& visit) = 0;

  // Once kept: what it is called in resume positions, and what the source said about it.
  virtual std::uint64_t id() const = 0;
  virtual const std::string& about() const = 0;
};

}  // namespace tidelog
