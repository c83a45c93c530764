# The libraries, all from Debian 12. What is missing is named together with the way to install it.
#
# Targets to link: Threads::Threads tl::expected absl::flat_hash_map (and other absl::*) fmt::fmt spdlog::spdlog
# yaml-cpp CLI11::CLI11 nlohmann_json::nlohmann_json PkgConfig::libpq PkgConfig::libmariadb PkgConfig::icu PkgConfig::libcrypto
# PkgConfig::sqlite3 PkgConfig::lz4 PkgConfig::zlib PkgConfig::zstd doctest::doctest (tests) benchmark::benchmark (bench, only if installed).

function(tidelog_missing name package)
  message(FATAL_ERROR
    "tidelog needs ${name}, in Debian's package ${package}.\n"
    "To install all that is missing: scripts/install-deps.sh build test bench")
endfunction()

macro(tidelog_find_package name package)
  find_package(${name} QUIET ${ARGN})
  if(NOT ${name}_FOUND)
    tidelog_missing(${name} ${package})
  endif()
endmacro()

macro(tidelog_find_pkg target module package)
  pkg_check_modules(${target} QUIET IMPORTED_TARGET GLOBAL "${module}")
  if(NOT ${target}_FOUND)
    tidelog_missing("${module}" ${package})
  endif()
endmacro()

tidelog_find_package(Threads libc6-dev)
tidelog_find_package(PkgConfig pkg-config)
tidelog_find_package(tl-expected libexpected-dev)
tidelog_find_package(absl libabsl-dev)
tidelog_find_package(fmt libfmt-dev)
tidelog_find_package(spdlog libspdlog-dev)
tidelog_find_package(yaml-cpp libyaml-cpp-dev)
tidelog_find_package(CLI11 libcli11-dev)
tidelog_find_package(nlohmann_json nlohmann-json3-dev)
tidelog_find_pkg(libpq "libpq>=14" libpq-dev)
tidelog_find_pkg(libmariadb "libmariadb>=3.3" libmariadb-dev)
tidelog_find_pkg(icu "icu-uc" libicu-dev)
tidelog_find_pkg(libcrypto "libcrypto>=3" libssl-dev)
tidelog_find_pkg(libssl "libssl>=3" libssl-dev)
tidelog_find_pkg(sqlite3 "sqlite3" libsqlite3-dev)
tidelog_find_pkg(lz4 "liblz4" liblz4-dev)
tidelog_find_pkg(zlib "zlib" zlib1g-dev)
tidelog_find_pkg(zstd "libzstd" libzstd-dev)

if(BUILD_TESTING)
  tidelog_find_package(doctest doctest-dev)
endif()
if(TIDELOG_BENCH)
  find_package(benchmark QUIET)  # libbenchmark-dev; without it the micro-benchmarks are left out
endif()
