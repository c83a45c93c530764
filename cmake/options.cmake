# How everything here is compiled: the language, the warnings, the sanitizers, ccache.

option(TIDELOG_BENCH "Build the benchmarks" ON)
option(TIDELOG_FUZZ "Build the fuzz targets (tests/fuzz) with libFuzzer; needs clang" OFF)
set(TIDELOG_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -D_GLIBCXX_ASSERTIONS")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug or Release" FORCE)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # With paths made relative, a fresh clone in another folder is served too.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=true "${CCACHE_PROGRAM}")
endif()

add_link_options(-Wl,--as-needed)

add_library(tidelog_options INTERFACE)
target_include_directories(tidelog_options INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(tidelog_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wswitch-enum -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlapping copies in ("literal" + std::string) that are not there: GCC bug 105651.
  target_compile_options(tidelog_options INTERFACE -Wno-restrict)
endif()

if(TIDELOG_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  # The code is GCC's: clang's other warnings are clang-tidy's matter.
  target_compile_options(tidelog_options INTERFACE -Wno-error -Wno-unknown-warning-option)
endif()
if(TIDELOG_SANITIZE)
  # GCC's flow analysis misreads the code that the sanitizers insert; release keeps these warnings.
  target_compile_options(tidelog_options INTERFACE -Wno-maybe-uninitialized -Wno-nonnull)
  # On every target, so that no object is built without.
  add_compile_options(-fsanitize=${TIDELOG_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TIDELOG_SANITIZE})
endif()
