// What event triggers in a source's database write into its log; anybody there may write the like.
#include "connectors/postgres/ddl_message.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog::postgres;

TIDELOG_FUZZ_TARGET(ddl_message) {
  static_cast<void>(read_ddl_message(input));
  const auto description = read_table_description(input);
  if (description) static_cast<void>(fits(*description, Relation()));
}
