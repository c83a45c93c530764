// What the fuzz targets begin with: real structures, made by the program that writes them.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace tidelog::fuzz {

// By the target's name.
using Seeds = std::map<std::string, std::vector<std::string>, std::less<>>;
Seeds all_seeds();

// Of the targets mysql_changes, mysql_events, mysql_payload, mysql_stream and mysql_gtids.
void add_mysql_events(Seeds& seeds);
// Of the targets mysql_rows, mysql_json and mysql_texts.
void add_mysql_rows(Seeds& seeds);

}  // namespace tidelog::fuzz
