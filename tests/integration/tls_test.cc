// The program on connections of every kind that libpq makes: TLS in its modes, certificates,
// passwords, password files and service files; and what is told when one is refused.
#include <fmt/format.h>

#include "tests/integration/shop.h"

namespace tidelog::testing {
namespace {

constexpr Duration generous(60'000);
const std::string password = "Sesam-4711";
const std::string key_password = "Mohn-0815";

// Two authorities, and what they have signed. Made once.
struct Certificates {
  Certificates() : folder(scratch_folder("certificates")) {
    for (const std::string authority : {"root", "other"})
      make(authority, {"-nodes", "-subj", "/CN=" + authority});
    sign("server", "root",
         {"-nodes", "-subj", "/CN=db", "-addext", "subjectAltName=DNS:db.tidelog.test"});
    sign("client", "root", {"-passout", "pass:" + key_password, "-subj", "/CN=certified"});
    sign("somebody", "root", {"-nodes", "-subj", "/CN=somebody"});
    sign("stranger", "other", {"-nodes", "-subj", "/CN=certified"});
  }
  std::string file(const std::string& name) const { return (folder / name).string(); }

  std::filesystem::path folder;

 private:
  void make(const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> command = {"openssl",
                                        "req",
                                        "-x509",
                                        "-newkey",
                                        "ec",
                                        "-pkeyopt",
                                        "ec_paramgen_curve:prime256v1",
                                        "-days",
                                        "2",
                                        "-keyout",
                                        file(name + ".key"),
                                        "-out",
                                        file(name + ".crt")};
    command.insert(command.end(), more.begin(), more.end());
    output_of(command, generous);
  }
  void sign(const std::string& name, const std::string& authority, std::vector<std::string> more) {
    more.insert(more.end(), {"-CA", file(authority + ".crt"), "-CAkey", file(authority + ".key")});
    make(name, more);
  }
};

const Certificates& certificates() {
  static const Certificates made;
  return made;
}

PostgresServer::Options server_options(const std::string& version) {
  PostgresServer::Options options;
  options.version = version;
  options.certificates = certificates().folder;
  options.hba = {"hostssl all certified 127.0.0.1/32 cert",
                 "hostssl all paired 127.0.0.1/32 scram-sha-256 clientcert=verify-ca",
                 "host all unlisted 127.0.0.1/32 reject",
                 "host all scram 127.0.0.1/32 scram-sha-256"};
  return options;
}

struct Source {
  std::string name;
  std::string connection;
  std::string told;  // by `check`
};

struct Guarded {
  explicit Guarded(const std::string& version)
      : server(server_options(version)), folder(scratch_folder("guarded")) {
    const std::string tcp = server.url_tcp();
    const std::size_t colon = tcp.rfind(':');
    port = tcp.substr(colon + 1, tcp.rfind('/') - colon - 1);
    server.sql("create role scram superuser login password '" + password +
               "'; create role paired superuser login password '" + password +
               "'; create role certified superuser login; create role unlisted superuser login;"
               "create role locked; create table orders (id int primary key, body text);"
               "insert into orders select n, 'loaded' from generate_series(1, 100) n");
    write("passwords", fmt::format("db.tidelog.test:{}:postgres:scram:{}\n", port, password));
    std::filesystem::permissions(folder / "passwords", std::filesystem::perms::owner_read);
    write("services", "[shop]\n" + lines_of_service());
  }

  // host=db.tidelog.test is the name that the certificate has; hostaddr says where it is.
  std::string at(const std::string& more, const std::string& host = "db.tidelog.test") const {
    return fmt::format("host={} hostaddr=127.0.0.1 port={} dbname=postgres {}", host, port, more);
  }
  std::string verified(const std::string& more) const {
    return at("sslmode=verify-full sslrootcert=" + certificates().file("root.crt") + " " + more);
  }
  static std::string keys(const std::string& name) {
    return fmt::format("sslcert={} sslkey={}", certificates().file(name + ".crt"),
                       certificates().file(name + ".key"));
  }

  std::string configure(const std::string& name, const std::vector<Source>& sources) const {
    std::string text = "store: { path: " + (folder / name).string() + " }\nsources:\n";
    for (const Source& source : sources) {
      text += fmt::format("  - name: {}\n    postgres: \"{}\"\n    tables: [public.orders]\n",
                          source.name, source.connection);
    }
    write(name + ".yaml", text);
    return (folder / (name + ".yaml")).string();
  }
  // No certificates of the user's own are found, and no other settings.
  std::vector<std::string> environment() const {
    return {"HOME=" + folder.string(), "PGPASSFILE=" + (folder / "passwords").string(),
            "PGSERVICEFILE=" + (folder / "services").string()};
  }
  Finished tidelog(const std::vector<std::string>& arguments) const {
    return run_tidelog(arguments, generous, environment());
  }
  std::unique_ptr<TidelogProcess> start(const std::string& config) const {
    return std::make_unique<TidelogProcess>(
        folder, "run", std::vector<std::string>{"run", "-c", config}, environment());
  }
  // What `check` says of one connection.
  std::string check(const std::string& connection) const {
    return tidelog({"check", "-c", configure("one", {{"one", connection, ""}})}).output;
  }

  PostgresServer server;
  std::filesystem::path folder;
  std::string port;

 private:
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name) << text;
  }
  std::string lines_of_service() const {
    std::string lines = verified("user=scram password=" + password);
    std::replace(lines.begin(), lines.end(), ' ', '\n');
    return lines + "\n";
  }
};

void check_no_secret(const std::string& text) {
  CHECK_FALSE(contains(text, password));
  CHECK_FALSE(contains(text, key_password));
}

std::vector<Source> good_sources(const Guarded& guarded) {
  const std::string user = "user=scram password=" + password;
  const std::string root = "sslrootcert=" + certificates().file("root.crt");
  return {
      {"plain", guarded.at(user + " sslmode=disable"), "within this machine, not encrypted"},
      {"required",
       fmt::format("postgresql://scram:{}@127.0.0.1:{}/postgres?sslmode=require", password,
                   guarded.port),
       "TLSv1.3 within this machine, the server is not verified"},
      {"bound", guarded.at(user + " sslmode=require channel_binding=require"),
       "TLSv1.3, the server has shown that it knows the user's password"},
      {"signed", guarded.at(user + " sslmode=verify-ca " + root, "localhost"),
       "TLSv1.3, the server's certificate is verified, its host name is not"},
      {"rooted", guarded.at(user + " sslmode=require " + root, "localhost"),
       "TLSv1.3, the server's certificate is verified, its host name is not"},
      {"named", guarded.verified(user + " ssl_max_protocol_version=TLSv1.2"),
       "TLSv1.2, the server's certificate and host name are verified"},
      {"certified",
       guarded.verified("user=certified sslpassword=" + key_password + " " +
                        Guarded::keys("client")),
       "TLSv1.3, the server's certificate and host name are verified"},
      {"both",
       guarded.verified("user=paired password=" + password + " " + Guarded::keys("somebody")),
       "TLSv1.3, the server's certificate and host name are verified"},
      {"passfile", guarded.verified("user=scram"),
       "TLSv1.3, the server's certificate and host name are verified"},
      {"served", "service=shop", "TLSv1.3, the server's certificate and host name are verified"},
  };
}

TEST_CASE("tls: every kind of connection is checked, loads and streams, also large values") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Guarded guarded(version);
    const std::vector<Source> sources = good_sources(guarded);
    const std::string config = guarded.configure("good", sources);
    const Finished check = guarded.tidelog({"check", "-c", config});
    CHECK_MESSAGE(check.code == 0, check.output, check.errors);
    for (const Source& source : sources) {
      CHECK_MESSAGE(contains(check.output, source.name + ": ok: connected: " + source.told + "\n"),
                    check.output);
    }
    check_no_secret(check.output + check.errors);

    const auto run = guarded.start(config);
    const auto all_stream = [&] {
      const auto streaming = guarded.server.sql(
          "select count(*) from pg_stat_replication join pg_stat_ssl using (pid) where state = "
          "'streaming' and ssl = (application_name <> 'tidelog_plain')");
      return streaming.at(0).at(0) == std::to_string(sources.size());
    };
    REQUIRE_MESSAGE(eventually(generous, all_stream), run->errors());
    CHECK(guarded.server.sql("select client_dn from pg_stat_replication join pg_stat_ssl using "
                             "(pid) where application_name = 'tidelog_certified'") ==
          Rows{{"/CN=certified"}});
    guarded.server.sql(
        "insert into orders select 101, string_agg(md5(n::text), '') from generate_series(1, "
        "100000) n");
    const std::string large =
        guarded.server.sql("select body from orders where id = 101").at(0).at(0);
    REQUIRE(large.size() == 3'200'000);
    for (const Source& source : sources) {
      const std::vector<std::string> state = {"state", source.name + ".public.orders", "--json",
                                              "-c", config};
      Finished rows;
      REQUIRE_MESSAGE(eventually(generous,
                                 [&] {
                                   rows = guarded.tidelog(state);
                                   return line_count(rows.output) == 101;
                                 }),
                      source.name, run->errors());
      CHECK(contains(rows.output, "\"id\":101,\"body\":\"" + large + "\""));
    }
    CHECK(stopped(*run) == Exit{0, 0});
    check_no_secret(run->errors() + run->output());
  }
}

std::vector<Source> refused_sources(const Guarded& guarded) {
  const std::string root = " sslrootcert=" + certificates().file("root.crt");
  const std::string user = "user=scram password=" + password;
  const std::string certified = "user=certified ";
  return {
      {"host", guarded.at(user + " sslmode=verify-full" + root, "localhost"),
       "does not match host name \"localhost\"; connect by a host name that the server's"},
      {"authority",
       guarded.at(user + " sslmode=verify-ca sslrootcert=" + certificates().file("other.crt")),
       "certificate verify failed; set sslrootcert=FILE"},
      {"rootless", guarded.at(user + " sslmode=verify-ca sslrootcert=/nowhere/root.crt"),
       "root certificate file \"/nowhere/root.crt\" does not exist"},
      {"uncertified", guarded.verified(certified),
       "requires a valid client certificate; set sslcert=FILE and sslkey=FILE"},
      {"somebody", guarded.verified(certified + Guarded::keys("somebody")),
       "certificate authentication failed for user \"certified\"; the common name (CN)"},
      {"stranger",
       guarded.verified(certified + "ssl_max_protocol_version=TLSv1.2 " +
                        Guarded::keys("stranger")),
       "alert unknown ca; the server refuses the certificate of sslcert"},
      {"keyless",
       guarded.verified(certified + "sslcert=" + certificates().file("client.crt") +
                        " sslkey=/nowhere/client.key"),
       "private key file \"/nowhere/client.key\"; sslkey=FILE must have the key"},
      {"closed", guarded.verified(certified + Guarded::keys("client")), "could not load private"},
      {"wrongkey",
       guarded.verified(certified + "sslpassword=" + key_password + "x " + Guarded::keys("client")),
       "could not load private"},
      {"password", guarded.verified(user + "x"),
       "password authentication failed for user \"scram\"; correct the user or the password"},
      {"nameless", guarded.at("user=scram sslmode=require", "127.0.0.1"),
       "no password supplied; give one"},
      {"unlisted", guarded.verified("user=unlisted"),
       "have, before what else fits: hostssl \"postgres\" \"unlisted\" 127.0.0.1/32 scram-sha-256"},
      {"prefer", guarded.at("user=unlisted sslmode=prefer"), "before what else fits: hostssl"},
      {"ghost", guarded.at("user=ghost"), "CREATE ROLE \"ghost\" LOGIN REPLICATION"},
      {"locked", guarded.at("user=locked"), "ALTER ROLE \"locked\" LOGIN;"},
      {"service", "service=nowhere", "definition of service \"nowhere\" not found; correct"},
      {"mode", guarded.at(user + " sslmode=full"), "invalid sslmode value: \"full\""},
      {"unbound", guarded.at(user + " sslmode=disable channel_binding=require"),
       "channel_binding=require is for a password"},
      {"version",
       guarded.at(user + " sslmode=require ssl_min_protocol_version=TLSv1.2 "
                         "ssl_max_protocol_version=TLSv1.1"),
       "correct ssl_min_protocol_version"},
  };
}

TEST_CASE("tls: a connection that is refused ends its source, and the way out is told") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Guarded guarded(version);
    const std::vector<Source> sources = refused_sources(guarded);
    const std::string config = guarded.configure("refused", sources);
    const Finished check = guarded.tidelog({"check", "-c", config});
    CHECK_MESSAGE(check.code == 2, check.output, check.errors);
    const std::vector<std::string> lines = lines_of(check.output);
    for (const Source& source : sources) {
      const bool is_told = std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
        return line.starts_with(source.name + ": error: ") && contains(line, source.told);
      });
      CHECK_MESSAGE(is_told, source.name, "\n", check.output);
    }
    check_no_secret(check.output + check.errors);

    if (version != postgres_versions().front()) continue;
    for (const Source& source : sources) {
      const auto run = guarded.start(guarded.configure("one", {source}));
      check_ended(*run, 2, {source.told});
      CHECK_FALSE_MESSAGE(contains(run->errors(), "source waits"), run->errors());
      check_no_secret(run->errors() + run->output());
    }
  }
}

TEST_CASE("tls: what the server's settings must have is told as its statements") {
  Guarded guarded("15");
  const std::string connection = guarded.verified("user=scram password=" + password);
  const auto is_told = [&](const std::string& told) {
    return eventually(generous, [&] { return contains(guarded.check(connection), told); });
  };
  CHECK(is_told("one: ok: ready to load"));
  guarded.server.sql(
      "do $$ begin execute format('copy (select ''local all postgres trust'') to %L', "
      "current_setting('hba_file')); perform pg_reload_conf(); end $$");
  CHECK(
      is_told("no pg_hba.conf entry for host \"127.0.0.1\", user \"scram\", database \"postgres\", "
              "SSL encryption; let the server's pg_hba.conf have, before what else fits: hostssl "
              "\"postgres\" \"scram\" 127.0.0.1/32 scram-sha-256 and: SELECT pg_reload_conf();"));
  guarded.server.sql("alter system set ssl = off");
  guarded.server.sql("select pg_reload_conf()");
  CHECK(is_told("ALTER SYSTEM SET ssl = 'on'; SELECT pg_reload_conf();"));
}

}  // namespace
}  // namespace tidelog::testing
