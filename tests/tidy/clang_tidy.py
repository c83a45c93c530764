#!/usr/bin/env python3
"""Runs clang-tidy over every file of a compile database, beside each other, and remembers what was clean.

clang_tidy.py ROOT BUILD. The tests' own files only with TIDELOG_MATRIX=full. A file is looked at again only when it, a header of ours that it includes, its command or
.clang-tidy changed.
"""

import concurrent.futures
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tree import Tree

PROGRAMS = ("clang-tidy-16", "clang-tidy")  # Debian 12's default, 14, cannot read C++20's source_location


def with_headers(tree, name):
    """The file and all headers of ours that it includes, directly or not."""
    found, queue = {name}, [name]
    while queue:
        for _, path in tree.includes(queue.pop()):
            if path not in found and (tree.root / path).is_file():
                found.add(path)
                queue.append(path)
    return sorted(found)


def key_of(tree, name, entry, version):
    digest = hashlib.sha256()
    digest.update(version + tree.text(".clang-tidy").encode() + entry["command"].encode())
    for path in with_headers(tree, name):
        digest.update(path.encode() + b"\0" + (tree.root / path).read_bytes())
    return digest.hexdigest()


def check(program, tree, build, name):
    """What clang-tidy has to say about one file, or None."""
    # -w: the compiler's own warnings are GCC's business; clang's differ.
    command = [program, "--quiet", "-p", build, "--extra-arg=-w", str(tree.root / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tree.root)
    return None if done.returncode == 0 else done.stdout + done.stderr


def main():
    tree, build = Tree(sys.argv[1]), Path(sys.argv[2]).resolve()
    program = next((found for found in map(shutil.which, PROGRAMS) if found), None)
    if not program:
        sys.exit("clang-tidy is missing: scripts/install-deps.sh test")
    version = subprocess.run([program, "--version"], capture_output=True, check=True).stdout
    remembered = build / "clang-tidy-clean"
    remembered.mkdir(exist_ok=True)

    pending = {}
    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    if os.environ.get("TIDELOG_MATRIX") != "full":  # the tests' own code takes as long as all the rest
        entries = [e for e in entries if not os.path.relpath(e["file"], tree.root).startswith("tests/")]
    for entry in entries:
        name = os.path.relpath(entry["file"], tree.root)
        key = key_of(tree, name, entry, version)
        if not (remembered / key).exists():
            pending[name] = key

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(check, program, tree, build, name): name for name in sorted(pending)}
        for done in concurrent.futures.as_completed(running):
            name, complaint = running[done], done.result()
            if complaint is None:
                (remembered / pending[name]).touch()
            else:
                failed += 1
                print(f"== {name}\n{complaint}", flush=True)
    print(f"clang-tidy: {len(entries)} files, {len(entries) - len(pending)} remembered as clean, {failed} with findings")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
