// Random transactions on a MysqlShop while the program is killed and started again.
#pragma once

#include <doctest/doctest.h>

#include <csignal>
#include <functional>
#include <random>
#include <string>
#include <thread>

#include "tests/integration/mysql_shop.h"

namespace tidelog::testing {

inline int pick(std::mt19937& random, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(random);
}

// The statements of one transaction, by its number.
using RandomTransaction = std::function<std::string(std::mt19937& random, int number)>;

// On a session of its own, until it is asked to stop. None may fail.
inline std::jthread work_beside(MysqlServer& server, unsigned seed, RandomTransaction transaction) {
  return std::jthread(
      [&server, seed, transaction = std::move(transaction)](const std::stop_token& stop) {
        std::mt19937 random(seed);
        MysqlSession session = server.session();
        for (int number = 0; !stop.stop_requested(); ++number)
          session.sql(transaction(random, number));
      });
}

// Starts the program `kills` times, and kills it after as many milliseconds as are between.
inline void kill_again_and_again(MysqlShop& shop, std::mt19937& random, int kills, int after_min,
                                 int after_max, const std::function<void(int)>& then = {}) {
  for (int kill = 0; kill < kills; ++kill) {
    const auto run = shop.start();
    const auto ended = run->wait(Duration(pick(random, after_min, after_max)));
    if (ended) FAIL("tidelog ended by itself: " << run->errors());
    run->kill(SIGKILL);
    REQUIRE(run->wait(soon) == Exit{0, SIGKILL});
    if (then) then(kill);
  }
}

}  // namespace tidelog::testing
