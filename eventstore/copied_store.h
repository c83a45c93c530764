// A store that was copied file by file is noticed: two that go on with one uuid would give a
// position to different events. The folder in which a store was written last is remembered (`home`,
// store_marks.h); it stays the same folder when it is renamed, and a copy is another one.
#pragma once

#include <string>

#include "core/disk.h"
#include "core/result.h"
#include "eventstore/store_files.h"

namespace tidelog {

// For the writer, under its lock. Code::conflict for a copy, with the way out.
Status check_home(Disk& disk, const StorePaths& paths);
// Notes the folder, unless it is known already. After recovery, which makes room on a full disk.
Status note_home(Disk& disk, const StorePaths& paths);

// The store in this folder is the only one: the folder that it was copied from is gone, or is
// written to no more. Code::misconfigured when it is no copy. `holder` is for whoever finds the
// lock taken meanwhile.
Status adopt_copy(Disk& disk, const std::string& directory, const std::string& holder);

}  // namespace tidelog
