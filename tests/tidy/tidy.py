#!/usr/bin/env python3
"""House rules that a compiler does not check. tidy.py CHECK ROOT prints each violation; exit code 1 when there is one."""

import re
import subprocess
import sys

from tree import FOLDERS, Tree

# ---- layering: an include needs the link that allows it ---------------------------------------------------------------

# System and library headers that only some folders may see.
RESTRICTED = [
    (r"libpq-fe\.h|postgres_ext\.h|pg_config\.h", {"connectors/postgres", "projections"}),
    (r"mysql\.h|ma_\w+\.h|errmsg\.h|mysqld_error\.h|openssl/ssl\.h", {"connectors/mysql"}),
    (r"sqlite3\.h", {"projections"}),
    (r"nlohmann/.*", {"formats", "app", "projections", "ingest"}),
    (r"sys/socket\.h|netinet/.*|arpa/inet\.h|netdb\.h|sys/un\.h|poll\.h|sys/epoll\.h",
     {"connectors/mysql", "connectors/postgres", "connectors/socket", "app"}),
    (r"CLI/.*|yaml-cpp/.*|spdlog/.*", {"app"}),
    (r"doctest/.*|benchmark/.*", set()),
]


def reachable(tree, folder):
    """The folders whose headers the folder may include: itself and all that it links, however far down."""
    folder_of_target = {target: name for name, target in FOLDERS.items()}
    found, queue = {folder}, [folder]
    while queue:
        for target in tree.depends(queue.pop()):
            below = folder_of_target.get(target)
            if below and below not in found:
                found.add(below)
                queue.append(below)
    return found


def layering(tree):
    allowed = {folder: reachable(tree, folder) for folder in FOLDERS}
    for name in tree.cpp:
        folder = tree.folder_of(name)
        for line, path in tree.includes(name):
            if not (tree.root / path).is_file():
                yield f'{name}:{line}: "{path}" is no file; includes are written from the root of the repository'
            elif folder in FOLDERS and tree.folder_of(path) not in allowed[folder]:
                yield (f'{name}:{line}: {folder} may not include "{path}": '
                       f"its CMakeLists.txt does not link {tree.folder_of(path)}")
        if folder in FOLDERS:
            for match in re.finditer(r"^\s*#\s*include\s+<([^>]+)>", tree.text(name), re.MULTILINE):
                for pattern, folders in RESTRICTED:
                    if re.fullmatch(pattern, match.group(1)) and folder not in folders:
                        line = tree.text(name).count("\n", 0, match.start(1)) + 1
                        yield f"{name}:{line}: {folder} may not include <{match.group(1)}>"


# ---- CMake: no file is left out of the build --------------------------------------------------------------------------


def cmake_lists(tree):
    for name in tree.matching(".cc"):
        parts = name.split("/")
        lists = [("/".join(parts[:depth]), "/".join(parts[depth:])) for depth in range(len(parts) - 1, 0, -1)]
        lists = [(folder, rest) for folder, rest in lists if tree.cmake(folder)]
        if not lists:
            yield f"{name}: no CMakeLists.txt lists it"
        elif not any(rest in re.split(r"[\s()\"]+", tree.cmake(folder)) for folder, rest in lists):
            yield f"{name}: not listed in {lists[0][0]}/CMakeLists.txt"
        if name.startswith("tests/") and not name.endswith("_test.cc") and "TEST_CASE(" in tree.code(name):
            yield f"{name}: holds test cases, so its name ends in _test.cc"
    for name in tree.files:
        if name.endswith(("CMakeLists.txt", ".cmake")) and re.search(r"\bfile\s*\(\s*GLOB", tree.text(name)):
            yield f"{name}: file(GLOB) hides what is built"
    yield from same_names(tree)


def same_names(tree):
    """ctest knows a case by its name, so within one program no name may come twice."""
    seen = {}
    for name in tree.matching("_test.cc"):
        for match in re.finditer(r'\bTEST_CASE\(\s*"((?:\\.|[^"\\])*)"', tree.text(name)):
            key = (name.rsplit("/", 1)[0], match.group(1))
            if key in seen:
                yield f'{name}: "{match.group(1)}" is the name of a case in {seen[key]} too'
            seen[key] = name


# ---- links: what a page points at exists ------------------------------------------------------------------------------


def without_code(text):
    text = re.sub(r"^(```|~~~).*?^\1", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "``", text)


def anchors(text):
    """Headings as a forge turns them into anchors."""
    headings = re.findall(r"^#{1,6}\s+(.*?)\s*#*$", text, re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower())) for heading in headings}


def links(tree):
    for name in tree.matching(".md"):
        text = without_code(tree.text(name))
        for match in re.finditer(r"\]\(<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", text, re.MULTILINE):
            target = match.group(1) or match.group(2)
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            line = text.count("\n", 0, match.start()) + 1
            path, _, anchor = target.partition("#")
            page = (tree.root / name).parent / path if path else tree.root / name
            if path.startswith("/"):
                page = tree.root / path[1:]
            if not page.exists():
                yield f"{name}:{line}: dead link {target}"
            elif anchor and page.suffix == ".md":
                if anchor not in anchors(page.read_text(encoding="utf-8")):
                    yield f"{name}:{line}: no such heading: {target}"
    yield from guarantees(tree)


def guarantees(tree):
    """Each of the README's guarantees names, in italics, the tests that prove it."""
    cases = set()
    for name in tree.matching("_test.cc"):
        cases.update(re.findall(r'\bTEST_CASE\(\s*"((?:\\.|[^"\\])*)"', re.sub(r'"\s*\n\s*"', "", tree.text(name))))
    text = tree.text("README.md") if "README.md" in tree.files else ""
    section = re.search(r"^## Guarantees\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)
    for match in re.finditer(r"(?<!\*)\*([^*]+)\*(?!\*)", section.group(1) if section else ""):
        test = re.sub(r"\s+", " ", match.group(1)).strip()
        if test not in cases:
            yield f"README.md: no test is called: {test}"


# ---- banned: calls and words that have one place, or none -------------------------------------------------------------


def product(name):
    return Tree.folder_of(name) in FOLDERS


def product_but(*prefixes):
    return lambda name: product(name) and not name.startswith(prefixes)


def everywhere_but(*prefixes):
    return lambda name: not name.startswith(prefixes)


# (what, where it is banned, why and what instead)
BANNED = [
    (r"\b(?:stoi|stol|stoul|stoll|stoull|stof|stod|stold|ato[ifl]|atoll|strto(?:u?ll?|f|d|ld|imax|umax)|sscanf)\s*\(",
     everywhere_but(), "throws, or takes half a number for a whole one: std::from_chars on all of the text"),
    (r"\b(?:memcpy|memmove|strcpy|strncpy|strcat|sprintf|alloca)\s*\(", product_but("core/"),
     "unchecked copying lives in core/ only"),
    (r"\bsteady_clock::now\b", product_but("core/clock", "connectors/", "app/"),
     "clocks are read through core/clock.h; only a socket's or a person's deadline may be real time"),
    (r"\b(?:system|high_resolution)_clock::now\b|\b(?:gettimeofday|clock_gettime|ftime)\s*\("
     r"|(?<![\w.>:~])(?:std::|::)?time\s*\(\s*(?:nullptr|NULL|0|&)", product_but("core/clock"),
     "clocks are read through core/clock.h, so that tests can set them"),
    (r"\bsystem_clock::now\b", lambda name: not product(name) and not name.startswith(("bench/", "tests/support/")),
     "tests set the clock, or measure with steady_clock"),
    (r"\bsleep_for\b|\bsleep_until\b|(?<![\w.>:])(?:::)?(?:u|nano)?sleep\s*\(",
     everywhere_but("core/clock", "app/", "tests/support/", "bench/"), "wait on a condition with a deadline"),
    (r"\bcatch\s*\(\s*\.\.\.\s*\)", product_but("app/"), "a catch-all belongs to a thread's entry in app/"),
    (r"(?<![\w>])::(?:open|openat|creat|read|pread|write|pwrite|pwritev|rename|renameat2?|unlink|unlinkat|fsync"
     r"|fdatasync|sync_file_range|ftruncate|fallocate|posix_fallocate|mmap|mkdir|mkdirat|flock)\s*\("
     r"|(?:(?<=\breturn )|(?<![\w.:>~*&] )(?<![\w.:>~*&]))(?:openat|pread|pwrite|pwritev|fsync|fdatasync|sync_file_range|ftruncate|fallocate"
     r"|posix_fallocate|mmap|unlinkat|fopen|mkstemp)\s*\(", product_but("core/disk"),
     "files are reached through core/disk.h, so that tests can fail and crash each call"),
    (r"\b(?:std::)?[io]?fstream\b|\bfilesystem::(?:rename|remove|remove_all|copy|copy_file|create_director\w+|resize_file)\b",
     product_but("core/disk", "app/", "projections/"), "files are reached through core/disk.h"),
    (r"\bstd::(?:cerr|cout|clog)\b|(?<![\w.:>])(?:std::|::)?(?:printf|fprintf|puts|fputs|putchar|perror)\s*\(",
     product_but("app/", "core/invariant"), "a library returns an error; only app/ talks"),
    (r"(?<![\w.:>])assert\s*\(|#\s*include\s*<(?:cassert|assert\.h)>", product,
     "gone in release: INVARIANT for a bug, Result for what comes from outside"),
    (r"\busing\s+namespace\s+std\s*;", everywhere_but(), "names say where they come from"),
    (r"\brand\s*\(\s*\)|\brandom_shuffle\b", everywhere_but(), "random numbers are seeded, and the seed is printed"),
]
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|\bnot (?:yet )?implemented\b", re.IGNORECASE)
SOURCES = (".h", ".cc", ".cmake", ".sh", ".py", "CMakeLists.txt", ".yaml", ".yml")


def banned(tree):
    for name in tree.cpp:
        code = tree.code(name)
        for pattern, applies, instead in BANNED:
            if applies(name):
                for match in re.finditer(pattern, code):
                    yield f"{name}:{code.count(chr(10), 0, match.start()) + 1}: {match.group(0).strip()} - {instead}"
    for name in tree.matching(*SOURCES):
        if name.startswith("tests/tidy/"):
            continue
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            match = UNFINISHED.search(line)
            if match:
                yield f"{name}:{number}: {match.group(0)} - finish it, or file it; an interface comes with its body"


# ---- format -----------------------------------------------------------------------------------------------------------


def clang_format(tree):
    if not tree.cpp:
        return
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", "--ferror-limit=1", *tree.cpp],
                          cwd=tree.root, capture_output=True, text=True, check=False)
    wrong = [line for line in done.stderr.splitlines() if "error:" in line]
    yield from (f"{line.split(': error:')[0]}: not formatted (scripts/format.sh)" for line in wrong)
    if done.returncode != 0 and not wrong:
        yield f"clang-format failed: {done.stderr.strip()}"


CHECKS = {"layering": layering, "cmake": cmake_lists, "links": links, "banned": banned, "format": clang_format}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in CHECKS:
        sys.exit(f"usage: tidy.py {'|'.join(CHECKS)} ROOT")
    tree = Tree(sys.argv[2])
    violations = list(CHECKS[sys.argv[1]](tree))
    print("\n".join(violations) if violations else f"{sys.argv[1]}: {len(tree.files)} files, no violation")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
