// Dates and times as rows and JSON documents have them: the forms of MySQL 5.6 and later (MySQL
// source, mysys/my_time.cc), those before, and MariaDB's of old (`mysql56_temporal_format` off).
// Each function takes one value and fails the reader on bytes that are none.
#pragma once

#include <cstdint>

#include "core/bytes.h"
#include "core/value.h"

namespace tidelog::mysql {

// A date has three bytes in every version. Zero years, months and days are kept.
Date read_date(ByteReader& in);

// `decimals` is the digits of a second's fraction, 0 to 6.
Time read_time2(ByteReader& in, unsigned decimals);
Timestamp read_datetime2(ByteReader& in, unsigned decimals);
// In UTC, whatever the zone of server and session. 0 stands for the date 0000-00-00.
TimestampTz read_timestamp2(ByteReader& in, unsigned decimals);

// Of tables that were made before MySQL 5.6: no fractions.
Time read_old_time(ByteReader& in);
Timestamp read_old_datetime(ByteReader& in);
TimestampTz read_old_timestamp(ByteReader& in);

// MariaDB's of old with fractions: `decimals` from 1 on.
Time read_mariadb53_time(ByteReader& in, unsigned decimals);
Timestamp read_mariadb53_datetime(ByteReader& in, unsigned decimals);
TimestampTz read_mariadb53_timestamp(ByteReader& in, unsigned decimals);

// As JSON documents have them: eight bytes.
Time read_packed_time(ByteReader& in);
Timestamp read_packed_datetime(ByteReader& in);

}  // namespace tidelog::mysql
