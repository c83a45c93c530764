// The main function of every test program. Beside doctest's own options it knows two uses by ctest:
//   --ctest-file=FILE …   writes one add_test per case, so that names may hold commas, brackets and
//   quotes
//   --only=NAME           runs the one case of that name, and fails when there is none
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

namespace {

std::string option(int argc, char** argv, std::string_view name) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with(name)) return std::string(argument.substr(name.size()));
  }
  return {};
}

// What tidelog_test() in cmake/targets.cmake says about all cases of this program.
struct Listing {
  std::string file, program, prefix, labels, lock, environment, directory, timeout_seconds;
  bool written = false;
};
Listing listing;
unsigned cases_run = 0;

std::string bracketed(std::string_view text) { return " [==[" + std::string(text) + "]==]"; }

std::string labels_of(std::string_view suite) {
  std::string labels = listing.labels;
  for (const char* word : {"crash", "integration", "slow", "threads"}) {
    const std::string padded = " " + labels + " ";
    if (suite.find(word) != std::string_view::npos &&
        padded.find(" " + std::string(word) + " ") == std::string::npos) {
      labels += " " + std::string(word);
    }
  }
  std::replace(labels.begin(), labels.end(), ' ', ';');
  return labels;
}

std::string timeout_of(const doctest::TestCaseData& test) {
  return test.m_timeout > 0 ? std::to_string(test.m_timeout) : listing.timeout_seconds;
}

void write_case(std::ostream& out, const doctest::TestCaseData& test) {
  const std::string name = bracketed(listing.prefix + ": " + test.m_name);
  out << "add_test(" << name << bracketed(listing.program)
      << bracketed("--only=" + std::string(test.m_name)) << ")\n";
  out << "set_tests_properties(" << name << " PROPERTIES LABELS"
      << bracketed(labels_of(test.m_test_suite)) << " WORKING_DIRECTORY"
      << bracketed(listing.directory) << " TIMEOUT " << timeout_of(test);
  if (!listing.lock.empty()) out << " RESOURCE_LOCK" << bracketed(listing.lock);
  if (!listing.environment.empty()) out << " ENVIRONMENT" << bracketed(listing.environment);
  out << ")\n";
}

// Writes ctest's script when asked to list the cases, and counts the cases that a run met.
struct CtestReporter : doctest::IReporter {
  explicit CtestReporter(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData& query) override {
    if (listing.file.empty()) return;
    std::ofstream out(listing.file);
    std::for_each_n(query.data, query.num_data, [&](auto* test) { write_case(out, *test); });
    out.flush();
    listing.written = out.good();
    if (!out) std::cerr << "cannot write " << listing.file << "\n";
  }
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& stats) override {
    cases_run = stats.numTestCasesPassingFilters;
  }
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("ctest", 1, CtestReporter);

std::string escaped(std::string_view name) {  // a filter splits at commas
  std::string result;
  for (const char c : name) {
    if (c == ',' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

int list_cases(int argc, char** argv) {
  listing.program = argv[0];
  listing.prefix = option(argc, argv, "--ctest-prefix=");
  listing.labels = option(argc, argv, "--ctest-labels=");
  listing.lock = option(argc, argv, "--ctest-lock=");
  listing.environment = option(argc, argv, "--ctest-environment=");
  listing.directory = option(argc, argv, "--ctest-directory=");
  listing.timeout_seconds = option(argc, argv, "--ctest-timeout=");
  const char* query[] = {argv[0], "--list-test-cases", "--quiet"};
  doctest::Context(3, query)
      .run();  // its result means nothing here: doctest 2.4.9 leaves it unset in a query
  return listing.written ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  listing.file = option(argc, argv, "--ctest-file=");
  if (!listing.file.empty()) return list_cases(argc, argv);

  doctest::Context context(argc, argv);
  const std::string only = option(argc, argv, "--only=");
  if (!only.empty()) {
    context.addFilter("test-case", escaped(only).c_str());
    context.setOption("case-sensitive", true);
  }
  const int result = context.run();
  if (!only.empty() && cases_run == 0) {
    std::cerr << "no test case is named \"" << only << "\": build again\n";
    return 1;
  }
  return result;
}
