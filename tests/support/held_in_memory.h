// HeldInMemory: HeldTransaction without a disk, and the shelf that gives them out, for tests of
// what fills them. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/held_transaction.h"
#include "core/result.h"

namespace tidelog::testing {

class HeldInMemory : public HeldTransaction {
 public:
  struct Content {
    std::uint64_t id = 0;
    std::string about;
    std::vector<std::pair<std::uint64_t, std::string>> records;
    std::map<std::uint64_t, std::size_t> dropped;
  };
  explicit HeldInMemory(std::shared_ptr<Content> content) : content_(std::move(content)) {}

  using HeldTransaction::add;
  Status add(std::uint64_t part, std::string_view head, std::string_view rest) override {
    content_->records.emplace_back(part, std::string(head) + std::string(rest));
    return {};
  }
  void drop(std::uint64_t part) override { content_->dropped[part] = content_->records.size(); }
  Status rest() override { return {}; }
  Status for_each(const std::function<Status(const Record&)>& visit) override {
    for (std::size_t i = 0; i < content_->records.size(); ++i) {
      const auto& [part, bytes] = content_->records[i];
      const auto dropped = content_->dropped.find(part);
      TRY_DO(visit({bytes, dropped != content_->dropped.end() && i < dropped->second}));
    }
    return {};
  }
  std::uint64_t id() const override { return content_->id; }
  const std::string& about() const override { return content_->about; }

 private:
  std::shared_ptr<Content> content_;
};

class HeldShelf {
 public:
  std::unique_ptr<HeldTransaction> hold() {
    auto content = std::make_shared<HeldInMemory::Content>();
    content->id = ++last_id_;
    made_[content->id] = content;
    return std::make_unique<HeldInMemory>(content);
  }
  void keep(const HeldTransaction& held, std::string_view about) {
    kept_[held.id()] = made_.at(held.id()).lock();
    kept_.at(held.id())->about = about;
  }
  Result<std::vector<std::unique_ptr<HeldTransaction>>> kept(
      const std::vector<std::uint64_t>& ids) {
    std::erase_if(kept_, [&](const auto& kept) {
      return std::find(ids.begin(), ids.end(), kept.first) == ids.end();
    });
    std::vector<std::unique_ptr<HeldTransaction>> all;
    for (const std::uint64_t id : ids) {
      if (!kept_.contains(id)) return fail(Code::corrupt, "it is missing");
      all.push_back(std::make_unique<HeldInMemory>(kept_.at(id)));
    }
    return all;
  }
  void release(const HeldTransaction& held) { kept_.erase(held.id()); }

  std::size_t kept_count() const { return kept_.size(); }
  // Those that somebody still has, the kept ones among them.
  std::size_t live_count() const {
    return static_cast<std::size_t>(std::count_if(
        made_.begin(), made_.end(), [](const auto& m) { return !m.second.expired(); }));
  }

 private:
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::weak_ptr<HeldInMemory::Content>> made_;
  std::map<std::uint64_t, std::shared_ptr<HeldInMemory::Content>> kept_;
};

}  // namespace tidelog::testing
