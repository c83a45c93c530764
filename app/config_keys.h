// The table of all configuration keys: what config.cc parses by, and what docs/configuration.md is
// printed from.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "app/config_values.h"

namespace tidelog {

// What every key says about itself.
struct KeyText {
  std::string_view name;
  std::string_view form;      // "path", "list of patterns"
  std::string_view fallback;  // what holds without it; empty: it is required
  std::string_view help;
};

template <class Target>
struct Key {
  KeyText text;
  Status (*set)(const ConfigReading& reading, const YamlNode& value, Target& target);
};

std::span<const Key<Config>> root_keys();
std::span<const Key<StoreConfig>> store_keys();
std::span<const Key<SnapshotPolicy>> snapshot_keys();
std::span<const Key<RetentionPolicy>> retention_keys();
std::span<const Key<SourceConfig>> source_keys();
std::span<const Key<TransformRule>> transform_keys();
std::span<const Key<LoadConfig>> load_keys();
std::span<const Key<RetainedWal>> retained_wal_keys();
std::span<const Key<ProjectionConfig>> projection_keys();

// Keys that tidelog will have, so that a newer example is told apart from a misspelling.
struct LaterKey {
  std::string_view section;
  std::string_view name;
};
std::span<const LaterKey> later_keys();

// docs/configuration.md, whole.
std::string configuration_page();

}  // namespace tidelog
