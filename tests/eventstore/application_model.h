// ApplicationModel: what EventStore::append must answer, over plain vectors; and random requests
// for both. The crash and differential tests compare the two.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "eventstore/application_append.h"

namespace tidelog::testing {

class ApplicationModel {
 public:
  AppendOutcome append(const AppendRequest& request);
  // As application_events() lists them.
  const std::vector<std::string>& lines() const { return lines_; }
  std::uint64_t length_of(const std::string& stream) const;

 private:
  struct Kept {
    NewEvent event;
    Position position;
  };
  using Stream = std::vector<Kept>;
  struct Verdict {
    enum class Kind : std::uint8_t { fresh, repeated, conflict } kind = Kind::fresh;
    std::uint64_t begin = 0;  // repeated: where in the stream
    AppendConflict conflict;
  };

  const Stream& stream(const std::string& name) const;
  Verdict judge(const StreamAppend& part) const;
  Verdict judge_by_revision(const StreamAppend& part) const;
  Verdict judge_by_ids(const StreamAppend& part) const;
  AppendedEvents add(const AppendRequest& request);

  std::map<std::string, Stream> streams_;
  std::vector<std::string> lines_;
  std::uint64_t end_ = 0;
};

// Few streams, few ids, expectations near the truth: so that everything happens often.
class RandomRequests {
 public:
  explicit RandomRequests(std::uint64_t seed) : random_(seed) {}
  AppendRequest next(const ApplicationModel& model);
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

 private:
  ExpectedRevision expectation(std::uint64_t length);
  NewEvent event();

  std::mt19937_64 random_;
};

}  // namespace tidelog::testing
