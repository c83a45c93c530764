#!/usr/bin/env python3
"""Plants one violation after the other in a small clean tree, and expects the check to name exactly it."""

import tempfile
import unittest
from pathlib import Path

import tidy
from tree import Tree, code_of

CLEAN = {
    ".clang-format": Path(__file__).parents[2].joinpath(".clang-format").read_text(encoding="utf-8"),
    "core/CMakeLists.txt": "tidelog_library(tidelog_core SOURCES value.cc)\n",
    "core/value.h": "#pragma once\nint value();\n",
    "core/value.cc": '#include "core/value.h"\n\nint value() { return 1\'000; }\n',
    "eventstore/CMakeLists.txt": "tidelog_library(tidelog_eventstore SOURCES log.cc DEPENDS tidelog_core)\n",
    "eventstore/log.h": "#pragma once\n",
    "eventstore/log.cc": '#include "eventstore/log.h"\n\n#include "core/value.h"\n\n// std::stoi("7") in a comment\n'
                         'const char* text() { return "time(nullptr)"; }\n',
    "ingest/CMakeLists.txt": "tidelog_library(tidelog_ingest SOURCES pump.cc DEPENDS tidelog_eventstore PUBLIC fmt::fmt)\n",
    "ingest/pump.cc": '#include "core/value.h"\n',
    "tests/core/CMakeLists.txt": "tidelog_test(core_test SOURCES value_test.cc DEPENDS tidelog_core)\n",
    "tests/core/value_test.cc": '#include "core/value.h"\n\nTEST_CASE("value: is one") {}\n',
    "README.md": "# Title\n\n[the code](core/value.h) and [here](#title)\n```\n[not](a-link.md)\n```\n",
}

# check, file, text that is added at its end (a new file when there is none), what the complaint must hold
PLANTED = [
    ("layering", "core/value.cc", '#include "eventstore/log.h"\n', "core may not include"),
    ("layering", "eventstore/log.cc", '#include "log.h"\n', "is no file"),
    ("layering", "core/value.h", "#include <sys/socket.h>\n", "<sys/socket.h>"),
    ("layering", "eventstore/log.h", "#include <nlohmann/json.hpp>\n", "<nlohmann/json.hpp>"),
    ("cmake", "core/lost.cc", "int lost();\n", "core/lost.cc: not listed"),
    ("cmake", "tests/core/lost_test.cc", "", "tests/core/lost_test.cc: not listed"),
    ("cmake", "formats/flat.cc", "", "no CMakeLists.txt lists it"),
    ("cmake", "core/CMakeLists.txt", "file(GLOB sources *.cc)\n", "file(GLOB)"),
    ("cmake", "tests/core/value_test.cc", 'TEST_CASE("value: is one") {}\n', "name of a case"),
    ("links", "README.md", "[gone](docs/gone.md)\n", "dead link docs/gone.md"),
    ("links", "README.md", "[gone](#nowhere)\n", "no such heading"),
    ("links", "README.md", "## Guarantees\n1. It is. *value: is none*\n## Limits\n", "no test is called"),
    ("banned", "core/value.cc", "int f() { return std::stoi(g()); }\n", "std::from_chars"),
    ("banned", "tests/core/value_test.cc", "int f() { return atoi(g()); }\n", "std::from_chars"),
    ("banned", "eventstore/log.cc", "void f() { std::memcpy(a, b, n); }\n", "memcpy"),
    ("banned", "eventstore/log.cc", "auto f() { return std::chrono::system_clock::now(); }\n", "core/clock.h"),
    ("banned", "eventstore/log.cc", "auto f() { return time(nullptr); }\n", "core/clock.h"),
    ("banned", "ingest/pump.cc", "void f() { try { g(); } catch (...) { } }\n", "catch-all"),
    ("banned", "tests/core/value_test.cc", "void f() { std::this_thread::sleep_for(1s); }\n", "deadline"),
    ("banned", "eventstore/log.cc", "int f() { return ::fsync(3); }\n", "core/disk.h"),
    ("banned", "eventstore/log.cc", "int f() { return pwrite(3, p, n, 0); }\n", "core/disk.h"),
    ("banned", "eventstore/log.cc", "void f() { ::rename(a, b); }\n", "core/disk.h"),
    ("banned", "eventstore/log.cc", "void f() { std::ofstream out(name); }\n", "core/disk.h"),
    ("banned", "core/value.cc", "void f() { std::cerr << 1; }\n", "only app/ talks"),
    ("banned", "core/value.cc", "void f(int x) { assert(x); }\n", "INVARIANT"),
    ("banned", "core/value.cc", "// TO" "DO: later\n", "finish it"),
    ("banned", "ingest/pump.cc", "// not implemented\n", "finish it"),
    ("format", "core/value.cc", "int   f( );\n", "not formatted"),
]

# What looks like a violation and is none.
ALLOWED = [
    ("banned", "eventstore/log.cc", 'const char* words() { return "catch (...)"; }\n'),
    ("banned", "eventstore/log.cc", "auto f() { return Log::open(disk_, name); }\n"),
    ("banned", "eventstore/log.cc", "auto f() { return disk_.rename(a, b); }\n"),
    ("banned", "eventstore/log.cc", "auto f() { return file->fsync(); }\n"),
    ("banned", "eventstore/log.h", "Status fsync(File& file);\n"),
    ("banned", "eventstore/log.cc", "auto f() { return batch.time(); }\n"),
    ("banned", "core/clock.cc", "auto f() { return std::chrono::system_clock::now(); }\n"),
    ("banned", "core/disk.cc", "int f() { return ::fsync(3); }\n"),
    ("banned", "app/run.cc", "void f() { try { g(); } catch (...) { } }\n"),
    ("layering", "ingest/pump.cc", '#include "eventstore/log.h"\n'),
]


def violations(check, file=None, text=""):
    with tempfile.TemporaryDirectory() as root:
        for name, content in CLEAN.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        if file:
            path = Path(root, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as out:
                out.write(text)
        return list(tidy.CHECKS[check](Tree(root)))


class TidySelfTest(unittest.TestCase):
    def test_a_clean_tree_has_no_violation(self):
        for check in tidy.CHECKS:
            with self.subTest(check=check):
                self.assertEqual(violations(check), [])

    def test_each_planted_violation_is_found_and_nothing_else(self):
        for check, file, text, complaint in PLANTED:
            with self.subTest(check=check, file=file, text=text):
                found = violations(check, file, text)
                self.assertEqual(len(found), 1, found)
                self.assertIn(complaint, found[0])
                self.assertTrue(found[0].startswith(file), found[0])

    def test_what_only_looks_like_one_passes(self):
        for check, file, text in ALLOWED:
            with self.subTest(file=file, text=text):
                self.assertEqual(violations(check, file, text), [])

    def test_comments_and_strings_are_no_code(self):
        self.assertEqual(code_of('a = "b // c"; // d\ne = \'"\'; /* f\n */ g = R"x(stoi())x";').split(),
                         ["a", "=", '"";', "e", "=", ";", "g", "=", '"";'])


if __name__ == "__main__":
    unittest.main()
