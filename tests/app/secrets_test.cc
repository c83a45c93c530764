#include <doctest/doctest.h>

#include <sstream>
#include <string>

#include "app/log.h"
#include "app/secrets.h"

namespace tidelog {

TEST_CASE("secrets: the password of a URL is masked, and nothing else of it") {
  CHECK(mask_passwords("cannot reach postgresql://shop:hunter2@db:5432/shop?sslmode=require now") ==
        "cannot reach postgresql://shop:***@db:5432/shop?sslmode=require now");
}

TEST_CASE("secrets: a password that holds @ and : and / is masked whole") {
  CHECK(mask_passwords("postgresql://shop:a@b:c/d@db/shop") == "postgresql://shop:***@db/shop");
}

TEST_CASE("secrets: a URL without a password stays as it is") {
  CHECK(mask_passwords("postgresql://shop@db:5432/shop") == "postgresql://shop@db:5432/shop");
  CHECK(mask_passwords("postgresql://db:5432/shop") == "postgresql://db:5432/shop");
}

TEST_CASE("secrets: the password of a connection string is masked, quoted or not") {
  CHECK(mask_passwords("host=db password=hunter2 user=shop") == "host=db password=*** user=shop");
  CHECK(mask_passwords("host=db password = 'two words' user=shop") ==
        "host=db password = *** user=shop");
  CHECK(mask_passwords("password='it\\'s mine' x") == "password=*** x");
  CHECK(mask_passwords("postgresql://db/shop?user=a&password=hunter2&sslmode=require") ==
        "postgresql://db/shop?user=a&password=***&sslmode=require");
}

TEST_CASE("secrets: text without a secret stays as it is") {
  for (const std::string text : {"", "segment 42: offset 8192", "password authentication failed",
                                 "a://b", "password=", "://:@", "passwords: none"}) {
    CAPTURE(text);
    CHECK(mask_passwords(text) == text);
  }
}

TEST_CASE("secrets: a known password is masked wherever it stands") {
  Secrets secrets;
  secrets.add_connection("postgresql://shop:hunter2@db/shop");
  CHECK(secrets.mask("near hunter2 and hunter2") == "near *** and ***");
}

TEST_CASE("secrets: a word of a connection string that libpq would repeat is masked") {
  Secrets secrets;
  secrets.add_connection("host=db hunter22");
  CHECK(secrets.mask("missing \"=\" after \"hunter22\"") == "missing \"=\" after \"***\"");
}

TEST_CASE("secrets: a password that equals the user's name hides no message") {
  Secrets secrets;
  secrets.add_connection("postgresql://tidelog:tidelog@db/shop");
  CHECK(secrets.mask("tidelog: stopping") == "tidelog: stopping");
}

TEST_CASE("log: text lines are key=value, quoted only where needed, without secrets") {
  Secrets secrets;
  secrets.add_connection("postgresql://shop:hunter2@db/shop");
  std::ostringstream out;
  auto log = Log::to_stream(out, LogFormat::text, secrets);
  REQUIRE(log);
  log->warning("source waits", {{"source", "shop"}, {"error", "no \"hunter2\" here"}});
  const std::string line = out.str();
  CHECK(line.find("Z warning source waits source=shop error=\"no \\\"***\\\" here\"\n") == 26);
}

TEST_CASE("log: JSON lines hold time, level, message and each field") {
  Secrets secrets;
  std::ostringstream out;
  auto log = Log::to_stream(out, LogFormat::json, secrets);
  REQUIRE(log);
  log->error("source \"shop\" stopped", {{"error", "line\nbreak"}});
  const std::string line = out.str();
  CHECK(line.starts_with("{\"time\":\"2"));
  CHECK(
      line.ends_with(R"("level":"error","message":"source \"shop\" stopped","error":"line\nbreak"})"
                     "\n"));
}

}  // namespace tidelog
