// KnownSchemas: the schema versions that a fold meets: those that a state snapshot brought along,
// whose own segments may be gone, and those that the reader has read.
#pragma once

#include <map>
#include <memory>

#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"
#include "eventstore/state_file.h"
#include "eventstore/store_reader.h"

namespace tidelog {

// One thread; borrows the reader. What it gives lives as long as both.
class KnownSchemas {
 public:
  explicit KnownSchemas(StoreReader& reader) : reader_(reader) {}

  Status add(const StateFile& file) {
    for (const SchemaId id : file.schema_ids()) {
      if (own_.contains(id)) continue;
      TRY(const Schema* schema, file.schema(id));
      own_.emplace(id, std::make_unique<const Schema>(*schema));
    }
    return {};
  }

  Result<const Schema*> get(SchemaId id) const {
    const auto own = own_.find(id);
    if (own != own_.end()) return own->second.get();
    return reader_.schema(id);
  }

 private:
  StoreReader& reader_;
  std::map<SchemaId, std::unique_ptr<const Schema>> own_;
};

}  // namespace tidelog
