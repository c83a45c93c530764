#include "connectors/postgres/binary_types.h"

#include <fmt/format.h>

#include <algorithm>

namespace tidelog::postgres {

namespace {

// A row for each type that is there. A domain is sent as the type at its bottom. Functions are
// known by their sources when they are built in (12 is the language "internal", for ever).
constexpr const char* types_sql = R"(
with recursive bottom as (
  select w.oid as wanted, w.oid as type from unnest($1::oid[]) as w(oid)
  union all
  select b.wanted, t.typbasetype from bottom b join pg_type t on t.oid = b.type and t.typtype = 'd')
select b.wanted, format_type(b.wanted, null), t.typsend::oid = 0, coalesce(o.prosrc, ''),
       coalesce(s.prosrc, ''), t.typelem, coalesce(e.typdelim = ',', false),
       current_setting('server_version_num')::int
  from bottom b join pg_type t on t.oid = b.type and t.typtype <> 'd'
  left join pg_proc o on o.oid = t.typoutput::oid and o.prolang = 12
  left join pg_proc s on s.oid = t.typsend::oid and s.prolang = 12
  left join pg_type e on e.oid = t.typelem)";

}  // namespace

struct SqlBinaryTypes::Found {
  std::uint32_t oid = 0;
  std::string name;
  std::optional<BinaryForm> form;
  std::uint32_t element = 0;
};

Result<std::vector<SqlBinaryTypes::Found>> SqlBinaryTypes::look_up(
    const std::vector<std::uint32_t>& types, const Ask& ask) const {
  std::vector<Found> found;
  if (types.empty()) return found;
  TRY(const QueryResult answer, ask(types_sql, {fmt::format("{{{}}}", fmt::join(types, ","))}));
  for (std::size_t row = 0; row < answer.rows(); ++row) {
    TRY(const std::int64_t oid, answer.integer(row, 0));
    TRY(const std::int64_t element, answer.integer(row, 5));
    TRY(const std::int64_t version, answer.integer(row, 7));
    Found& one = found.emplace_back();
    one.oid = static_cast<std::uint32_t>(oid);
    one.name = answer.text(row, 1);
    one.element = static_cast<std::uint32_t>(element);
    one.form = answer.boolean(row, 2) ? BinaryForm::as_text
                                      : form_of_functions(answer.text(row, 3), answer.text(row, 4),
                                                          static_cast<int>(version));
    // Between elements the text has another letter than a comma: boxes.
    if (one.form == BinaryForm::array && !answer.boolean(row, 6)) one.form.reset();
  }
  return found;
}

// The server fails to send an array whose elements have no binary form.
Status SqlBinaryTypes::learn(std::span<const std::uint32_t> types, const Ask& ask) {
  std::vector<std::uint32_t> unknown;
  for (const std::uint32_t oid : types) {
    if (!known_.contains(oid) && std::ranges::find(unknown, oid) == unknown.end())
      unknown.push_back(oid);
  }
  TRY(const std::vector<Found> found, look_up(unknown, ask));
  std::vector<std::uint32_t> of_arrays;
  for (const Found& one : found) {
    if (one.form == BinaryForm::array) of_arrays.push_back(one.element);
  }
  TRY(const std::vector<Found> elements, look_up(of_arrays, ask));
  for (const Found& one : found) {
    Known& known = known_[one.oid];
    known.name = one.name;
    if (!one.form) continue;
    known.type = BinaryType{*one.form};
    if (one.form != BinaryForm::array) continue;
    const auto element = std::ranges::find(elements, one.element, &Found::oid);
    const bool is_readable = element != elements.end() && element->form &&
                             element->form != BinaryForm::array &&
                             element->form != BinaryForm::as_text;
    if (is_readable) {
      known.type->element = *element->form;
      known.type->element_type = one.element;
    } else {
      known.type.reset();
    }
  }
  return {};
}

Result<BinaryColumns> SqlBinaryTypes::of_columns(std::span<const std::uint32_t> types,
                                                 const Ask& ask) {
  TRY_DO(learn(types, ask));
  BinaryColumns columns;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const auto known = known_.find(types[i]);
    const bool is_readable = known != known_.end() && known->second.type;
    columns.types.push_back(is_readable ? *known->second.type : BinaryType{});
    if (is_readable) continue;
    columns.unreadable.push_back(
        {i, known != known_.end() ? known->second.name
                                  : fmt::format("with the oid {}, not in the catalog", types[i])});
  }
  return columns;
}

}  // namespace tidelog::postgres
