// ApplicationModel: what EventStore must answer to appends, and to requests for whole streams, over
// plain vectors; and random requests for both. The crash and differential tests compare the two.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "eventstore/application_append.h"
#include "eventstore/stream_change.h"

namespace tidelog::testing {

class ApplicationModel {
 public:
  AppendOutcome append(const AppendRequest& request);
  StreamOutcome change(const StreamRequest& request);
  // As application_events() lists them.
  const std::vector<std::string>& lines() const { return lines_; }
  // The same of the events that count.
  std::vector<std::string> counting_lines() const;
  std::vector<std::string> stream_names() const;
  std::uint64_t length_of(const std::string& stream) const;
  StreamStatus status_of(const std::string& stream) const;

 private:
  struct Kept {
    NewEvent event;  // without an id: it is of the stream as a whole
    Position position;
  };
  struct Stream {
    std::vector<Kept> kept;
    StreamStatus status = StreamStatus::open;
    std::uint64_t first = 0;
  };
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
  void note(const std::string& stream, const std::string& what, const NewEvent& event);
  static bool holds(const ExpectedRevision& expected, const Stream& stream);
  static AppendConflict conflict_of(AppendConflict::Kind kind, const std::string& name,
                                    const ExpectedRevision& expected, const Stream& stream);

  std::vector<std::string> lines_;
  std::vector<std::pair<std::string, std::uint64_t>> places_;  // of the lines
};

// Few streams, few ids, expectations near the truth: so that everything happens often.
class RandomRequests {
 public:
  explicit RandomRequests(std::uint64_t seed) : random_(seed) {}
  AppendRequest next(const ApplicationModel& model);
  StreamRequest next_change(const ApplicationModel& model);
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

 private:
  std::string name(const std::string& base, const ApplicationModel& model);
  ExpectedRevision expectation(std::uint64_t length);
  NewEvent event();

  std::mt19937_64 random_;
};

}  // namespace tidelog::testing
