# The three kinds of target. A folder's link line is its include rule: tests/tidy checks each #include against DEPENDS.
#
#   tidelog_library(tidelog_eventstore
#     SOURCES log.cc segment.cc
#     DEPENDS tidelog_core              # folders of ours, PUBLIC
#     PUBLIC absl::flat_hash_map        # libraries that our headers show
#     PRIVATE PkgConfig::lz4)           # libraries that only our .cc files see
#
#   tidelog_executable(tidelog SOURCES main.cc DEPENDS tidelog_ingest PRIVATE CLI11::CLI11)
#
#   tidelog_test(eventstore_test
#     SOURCES log_test.cc recovery_test.cc
#     DEPENDS tidelog_eventstore tidelog_test_support
#     PRIVATE PkgConfig::sqlite3
#     LABELS unit threads               # default: unit
#     TIMEOUT 120                       # seconds a test case, default 300; three times that under a sanitizer
#     RESOURCE_LOCK postgres            # such cases do not run beside each other
#     ENVIRONMENT NAME=VALUE)
# The main function comes with it. Each TEST_CASE becomes a ctest of its own. The words crash,
# integration, slow and threads in its test suite's name (`TEST_CASE("…" * doctest::test_suite("slow"))`) are added to
# its labels, and doctest::timeout() sets its limit.

# What each folder of ours may link (DESIGN.md section 2). A target outside this list may link anything.
set(TIDELOG_LAYERS_tidelog_core "")
set(TIDELOG_LAYERS_tidelog_eventstore tidelog_core)
set(TIDELOG_LAYERS_tidelog_formats tidelog_core)
set(TIDELOG_LAYERS_tidelog_socket tidelog_core)
set(TIDELOG_LAYERS_tidelog_tables tidelog_core)
set(TIDELOG_LAYERS_tidelog_postgres tidelog_core tidelog_formats tidelog_socket tidelog_tables)
set(TIDELOG_LAYERS_tidelog_mysql tidelog_core tidelog_formats tidelog_socket tidelog_tables)
set(TIDELOG_LAYERS_tidelog_projections tidelog_core tidelog_eventstore)
set(TIDELOG_LAYERS_tidelog_ingest tidelog_core tidelog_eventstore tidelog_projections)

function(tidelog_link target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;PUBLIC;PRIVATE")
  foreach(dependency IN LISTS arg_DEPENDS)
    if(NOT TARGET ${dependency})
      message(FATAL_ERROR "${target} depends on ${dependency}, which is no target (yet)")
    endif()
    if(DEFINED TIDELOG_LAYERS_${target} AND NOT dependency IN_LIST TIDELOG_LAYERS_${target})
      message(FATAL_ERROR "${target} may not depend on ${dependency}: see cmake/targets.cmake")
    endif()
  endforeach()
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS} ${arg_PUBLIC} PRIVATE ${arg_PRIVATE} tidelog_options)
endfunction()

function(tidelog_library target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS;PUBLIC;PRIVATE")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "tidelog_library(${target}): not understood: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_library(${target} STATIC ${arg_SOURCES})
  tidelog_link(${target} DEPENDS ${arg_DEPENDS} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
endfunction()

function(tidelog_executable target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS;PUBLIC;PRIVATE")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "tidelog_executable(${target}): not understood: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${target} ${arg_SOURCES})
  tidelog_link(${target} DEPENDS ${arg_DEPENDS} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  target_compile_definitions(${target} PRIVATE TIDELOG_VERSION="${PROJECT_VERSION}")
endfunction()

function(tidelog_test target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;RESOURCE_LOCK" "SOURCES;DEPENDS;PUBLIC;PRIVATE;LABELS;ENVIRONMENT")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "tidelog_test(${target}): not understood: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${target} ${arg_SOURCES} $<TARGET_OBJECTS:tidelog_test_main>)
  tidelog_link(${target} DEPENDS ${arg_DEPENDS} PRIVATE ${arg_PRIVATE} ${arg_PUBLIC} doctest::doctest)
  tidelog_discover_cases(${target} "${arg_LABELS}" "${arg_TIMEOUT}" "${arg_RESOURCE_LOCK}" "${arg_ENVIRONMENT}")
endfunction()

# Has the test program write ctest's own script when it is built: names may hold any character (tests/support/main.cc).
function(tidelog_discover_cases target labels timeout lock environment)
  if(NOT labels)
    set(labels unit)
  endif()
  if(NOT timeout)
    set(timeout 300)
  endif()
  if(TIDELOG_SANITIZE)
    math(EXPR timeout "${timeout} * 3")
  endif()
  string(REGEX REPLACE "_test$" "" prefix ${target})
  set(cases "${CMAKE_CURRENT_BINARY_DIR}/${target}_cases.cmake")
  list(JOIN labels " " labels)
  string(REPLACE ";" "$<SEMICOLON>" environment "${environment}")
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND $<TARGET_FILE:${target}> "--ctest-file=${cases}" "--ctest-prefix=${prefix}" "--ctest-labels=${labels}"
            "--ctest-timeout=${timeout}" "--ctest-lock=${lock}" "--ctest-environment=${environment}"
            "--ctest-directory=${CMAKE_CURRENT_BINARY_DIR}"
    BYPRODUCTS "${cases}" VERBATIM)
  file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/${target}_include.cmake"
    "if(EXISTS [==[${cases}]==])\n  include([==[${cases}]==])\nelse()\n"
    "  add_test([==[${prefix}: not built]==] [==[${target}_not_built]==])\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${CMAKE_CURRENT_BINARY_DIR}/${target}_include.cmake")
endfunction()
