"""The checkout as the tidy checks see it: its files, its CMake targets, C++ without comments."""

import os
import re
import subprocess
from functools import cached_property
from pathlib import Path

FOLDERS = {  # folder -> CMake target; the layering itself is in cmake/targets.cmake
    "core": "tidelog_core",
    "eventstore": "tidelog_eventstore",
    "formats": "tidelog_formats",
    "connectors/mysql": "tidelog_mysql",
    "connectors/postgres": "tidelog_postgres",
    "connectors/socket": "tidelog_socket",
    "connectors/tables": "tidelog_tables",
    "projections": "tidelog_projections",
    "ingest": "tidelog_ingest",
    "app": "tidelog",
}
_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^()\s\\]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL
)
_DIGIT_SEPARATOR = re.compile(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])")


def _blank(match):
    """Keeps the lines, and of a string its quotes, so that code still looks like code."""
    text = match.group(0)
    blank = "\n" * text.count("\n")
    return '""' + blank if text.endswith('"') else blank + " "


def code_of(text):
    """C++ with comments and the insides of strings taken out; line numbers stay."""
    return _TOKEN.sub(_blank, _DIGIT_SEPARATOR.sub("", text))


class Tree:
    def __init__(self, root):
        self.root = Path(root).resolve()

    @cached_property
    def files(self):
        """Relative paths of all files that are or could be committed."""
        listed = subprocess.run(
            ["git", "-C", self.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True, check=False)
        if listed.returncode == 0:
            names = [name for name in listed.stdout.decode().split("\0") if name]
        else:
            names = [os.path.relpath(os.path.join(folder, name), self.root)
                     for folder, _, names in os.walk(self.root) for name in names]
        return sorted({name for name in names
                       if not name.startswith(("build/", ".git/")) and (self.root / name).is_file()})

    def matching(self, *suffixes):
        return [name for name in self.files if name.endswith(suffixes)]

    @property
    def cpp(self):
        return self.matching(".h", ".cc")

    def text(self, name):
        return (self.root / name).read_text(encoding="utf-8", errors="replace")

    def code(self, name):
        return code_of(self.text(name))

    @staticmethod
    def folder_of(name):
        """The folder of the program that a file belongs to, or its first folder (tests, bench)."""
        for folder in FOLDERS:
            if name.startswith(folder + "/"):
                return folder
        return name.split("/")[0]

    def includes(self, name):
        """(line, path) of each quoted include."""
        found = []
        for number, line in enumerate(self.text(name).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if match:
                found.append((number, match.group(1)))
        return found

    def cmake(self, folder):
        path = self.root / folder / "CMakeLists.txt"
        return re.sub(r"#[^\n]*", "", path.read_text(encoding="utf-8")) if path.is_file() else ""

    def depends(self, folder):
        """The targets of ours that the folder's CMakeLists.txt links."""
        match = re.search(r"\bDEPENDS\b([^()]*?)(?=\b(?:PUBLIC|PRIVATE|SOURCES)\b|\))", self.cmake(folder))
        return match.group(1).split() if match else []
