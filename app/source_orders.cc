#include "app/source_orders.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace tidelog {
namespace {

using OrdersJson = nlohmann::ordered_json;

constexpr const char* file_name = "orders.json";

OrdersJson to_json(const SourceOrders& orders) {
  OrdersJson skips = OrdersJson::object();
  for (const auto& [source, skip] : orders.skips) {
    skips[source] = {
        {"from", to_hex(skip.from)}, {"behind", to_hex(skip.behind)}, {"reason", skip.reason}};
  }
  return {{"paused", orders.paused}, {"skips", std::move(skips)}};
}

Result<SkipOrder> skip_from(const OrdersJson& json) {
  SkipOrder skip;
  TRY(skip.from, from_hex(json.at("from").get<std::string>()));
  TRY(skip.behind, from_hex(json.at("behind").get<std::string>()));
  skip.reason = json.at("reason").get<std::string>();
  return skip;
}

Result<SourceOrders> orders_from(const OrdersJson& json) {
  SourceOrders orders;
  for (const OrdersJson& name : json.at("paused")) orders.paused.insert(name.get<std::string>());
  for (const auto& [source, skip] : json.at("skips").items()) {
    TRY(orders.skips[source], skip_from(skip));
  }
  return orders;
}

Result<SourceOrders> parse(const std::string& text) {
  try {
    return orders_from(OrdersJson::parse(text));
  } catch (const OrdersJson::exception& error) {
    return fail(Code::misconfigured, error.what());
  }
}

}  // namespace

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

Result<std::string> from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at + 2 <= text.size(); at += 2) {
    unsigned char byte = 0;
    const char* const end = text.data() + at + 2;
    const auto [rest, error] = std::from_chars(text.data() + at, end, byte, 16);
    if (error != std::errc{} || rest != end) break;
    bytes.push_back(static_cast<char>(byte));
  }
  if (bytes.size() * 2 == text.size()) return bytes;
  return fail(Code::misconfigured, fmt::format("\"{}\" is not hexadecimal", text));
}

Result<SourceOrders> read_source_orders(Disk& disk, const std::string& store) {
  const std::string path = store + "/" + file_name;
  const auto text = read_file(disk, path);
  if (!text && text.error().code == Code::not_found) return SourceOrders();
  if (!text) return error_of(text);
  auto orders = parse(*text);
  if (orders) return orders;
  return fail(Code::misconfigured,
              fmt::format("{} is damaged: {}; delete it, then no source is paused", path,
                          orders.error().what));
}

Status write_source_orders(Disk& disk, const std::string& store, const SourceOrders& orders) {
  const std::string text =
      to_json(orders).dump(2, ' ', false, OrdersJson::error_handler_t::replace) + "\n";
  return replace_file(disk, store, file_name, text);
}

}  // namespace tidelog
