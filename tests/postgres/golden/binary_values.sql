-- Makes binary_values_15.txt and binary_values_18.txt, on a server of that version:
--   psql -X -q -A -t -F $'\t' -f binary_values.sql > binary_values_15.txt
-- A line a value: the functions that print and send its type, of an array those of its elements and their type, then
-- the value as it is sent, and as it is printed.
set datestyle = ISO; set intervalstyle = iso_8601; set bytea_output = hex; set extra_float_digits = 3;
set timezone = UTC; set client_encoding = UTF8;
create type pg_temp.mood as enum ('sad', 'happy', 'so, so');
create temp table literals (type text, value text);
insert into literals
select type, unnest(values) from (values
  ('boolean', array['true', 'false']),
  ('"char"', array['a', '', '\', '\377']),
  ('name', array['a name', '']),
  ('smallint', array['-32768', '0', '32767']),
  ('integer', array['-2147483648', '-1', '2147483647']),
  ('bigint', array['-9223372036854775808', '9223372036854775807', '42']),
  ('oid', array['0', '4294967295']),
  ('xid', array['3', '4294967295']),
  ('cid', array['7']),
  ('xid8', array['18446744073709551615', '1']),
  ('real', array['NaN', '-NaN', 'Infinity', '-Infinity', '-0', '0.1', '1e-45', '3.4028235e38', '123456.7']),
  ('double precision', array['NaN', 'Infinity', '-Infinity', '-0', '0.1', '5e-324', '1.7976931348623157e308', '1e15', '1e16']),
  ('numeric', array['NaN', 'Infinity', '-Infinity', '0', '0.00', '0.000000', '1', '-1', '10000', '99999999', '100000000',
    '1.10', '0.1', '0.0001', '0.00001', '-0.0000000001', '1e-400', '1e400', '12345678901234567890.123456789',
    '10000.00010', '9999.9999', '0.00010000', '1234567.1', '-20000000000000000000000']),
  ('text', array['', 'text', 'größe 😀', E'tab\tand "quotes" and \\ back']),
  ('character varying(5)', array['abc']),
  ('character(5)', array['abc', '']),
  ('xml', array['<a>ö</a>']),
  ('json', array['{"a": [1, 2.50]}', 'null']),
  ('jsonb', array['{"b": 1, "a": [1, 2.50]}', '"größe"']),
  ('bytea', array['', '\x00ff10']),
  ('date', array['2000-01-01', '1999-12-31', '1970-01-01', '2026-11-27', '2000-02-29', '0001-01-01', '0001-12-31 BC', '4714-11-24 BC',
    '5874897-12-31', 'infinity', '-infinity']),
  ('time', array['00:00:00', '23:59:59.999999', '24:00:00', '12:30:00.5']),
  ('time with time zone', array['00:00:00+00', '24:00:00-15:59:59', '12:00:00.000001+05:30', '01:02:03+15:59', '10:00:00-00:00:01']),
  ('timestamp', array['2000-01-01 00:00:00', '1999-12-31 23:59:59.999999', '4714-11-24 00:00:00 BC', '0001-12-31 12:00:00 BC',
    '294276-12-31 23:59:59.999999', 'infinity', '-infinity', '2026-11-27 01:02:03.4']),
  ('timestamp with time zone', array['2000-01-01 00:00:00+00', '2026-11-27 01:02:03.000004+02', '4714-11-24 00:00:00+00 BC',
    '294276-12-31 23:59:59.999999+00', 'infinity', '-infinity']),
  ('interval', array['0', '1 year 2 months 3 days 04:05:06.789', '-1 year -2 months +3 days -04:05:06.000001', '1 month', '-1 month',
    '178956970 years 7 months', '2147483647 days', '2562047788:00:54.775806', '00:00:00.000001']),
  ('uuid', array['00112233-4455-6677-8899-aabbccddeeff']),
  ('inet', array['192.168.0.1', '192.168.0.1/24', '0.0.0.0/0', '::', '::1', '::2', '::1.2.3.4', '::ffff:1.2.3.4', '::ffff:0:1', '2001:db8::1/64',
    '1:0:0:2:0:0:0:3', '1:2:3:4:5:6:7:8', '1:0:2:0:3:0:4:0', '1::', '0:0:1::', 'fe80::1:0:0:1', '::1:2:3:4:5:6:7', '0:1::/128', '::ffff:0:0/96']),
  ('cidr', array['192.168.0.0/24', '10.0.0.1', '0.0.0.0/0', '::/0', '2001:db8::/32', '::1']),
  ('macaddr', array['08:00:2b:01:02:ff']),
  ('macaddr8', array['08:00:2b:ff:fe:01:02:03']),
  ('bit(3)', array['101', '000']),
  ('bit varying', array['', '1', '10101010', '101010101']),
  ('pg_temp.mood', array['sad', 'so, so']),
  ('integer[]', array['{}', '{1,NULL,-3}', '[-1:1]={1,2,3}', '{{1,2},{3,4}}', '[0:1][3:3][1:2]={{{1,2}},{{3,4}}}', '{NULL}']),
  ('text[]', array['{}', '{a,"",NULL,"null","NULL","a b","a,b","a\"b","a\\b","{}"," ","ö"}', E'{"a\tb","a\vb"}', '{{a,b},{c,d}}']),
  ('boolean[]', array['{t,f,NULL}']),
  ('numeric[]', array['{1.10,NaN,-Infinity,NULL}']),
  ('double precision[]', array['{NaN,0.1,-0}']),
  ('bytea[]', array['{"\\x00ff",""}']),
  ('jsonb[]', array['{"{\"a\": 1}",NULL}']),
  ('timestamp with time zone[]', array['{infinity,"2026-11-27 01:02:03+00"}']),
  ('date[]', array['{"0044-03-15 BC",2026-11-27}']),
  ('interval[]', array['{"1 day",NULL}']),
  ('uuid[]', array['{00112233-4455-6677-8899-aabbccddeeff}']),
  ('inet[]', array['{::1,10.0.0.0/8}']),
  ('bit varying[]', array['{101,""}']),
  ('pg_temp.mood[]', array['{sad,"so, so",NULL}'])
) as of_types(type, values);
insert into literals
select 'interval', unnest(array['infinity', '-infinity']) where current_setting('server_version_num')::int >= 170000;
insert into literals
select 'interval', '-178956970 years -8 months -2147483648 days -9223372036854775808 microseconds' where current_setting('server_version_num')::int < 170000;
select format('select %L, %L, %L, %L, %s, encode(%I(%L::%s), ''hex''), format(''%%s'', %L::%s)',
              o.proname, s.proname, coalesce(eo.proname, '-'), coalesce(es.proname, '-'),
              case when eo.oid is null then 0 else t.typelem end,
              s.proname, value, type, value, type)
  from literals join pg_type t on t.oid = to_regtype(regexp_replace(type, '\(.*\)', ''))
  join pg_proc o on o.oid = t.typoutput join pg_proc s on s.oid = t.typsend
  left join (pg_type e join pg_proc eo on eo.oid = e.typoutput join pg_proc es on es.oid = e.typsend)
    on e.oid = t.typelem and s.proname = 'array_send'
\gexec
