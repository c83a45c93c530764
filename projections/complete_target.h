// CompleteTarget: hands a replay's events on to a target with complete rows (complete_rows.h).
#pragma once

#include <string>
#include <vector>

#include "core/target.h"
#include "projections/complete_rows.h"

namespace tidelog {

// One thread; borrows the target and the replay's reader.
class CompleteTarget : public Target {
 public:
  CompleteTarget(Target& target, StoreReader& reader, OnDamage on_damage)
      : target_(target), rows_(reader, {}, std::move(on_damage)) {}

  Result<Checkpoint> begin(const std::vector<std::string>& streams) override {
    return target_.begin(streams);
  }
  Status apply(const Event& event, const Schema* schema) override {
    // A load is whole; those of a base snapshot are not the log's.
    if (event.type == EventType::load) return target_.apply(event, schema);
    TRY(const Event* whole, rows_.complete(event));
    return target_.apply(*whole, schema);
  }
  bool takes_application_events() const override { return target_.takes_application_events(); }
  Status commit(const Checkpoint& checkpoint) override { return target_.commit(checkpoint); }

 private:
  Target& target_;
  CompleteRows rows_;
};

}  // namespace tidelog
