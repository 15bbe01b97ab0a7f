# How a folder declares its library and its tests.
include(GNUInstallDirs)

set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_BUILD_RPATH ${RLHF_RPATH})

find_program(RLHF_CCACHE ccache)
if(RLHF_CCACHE)
  # Relative to this folder, so that every clone finds the same objects.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${RLHF_CCACHE})
endif()
find_program(RLHF_MOLD mold)

add_library(rlhf_flags INTERFACE)
target_compile_options(rlhf_flags INTERFACE
  -Wall -Wextra -Werror -Wno-missing-field-initializers
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
target_include_directories(rlhf_flags INTERFACE
  ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
if(RLHF_MOLD)
  target_link_options(rlhf_flags INTERFACE -fuse-ld=mold)
endif()
if(RLHF_SANITIZE)
  target_compile_options(rlhf_flags INTERFACE
    -fsanitize=${RLHF_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(rlhf_flags INTERFACE -fsanitize=${RLHF_SANITIZE})
  # LibTorch's headers hold a fence, which the thread sanitizer cannot follow.
  target_compile_options(rlhf_flags INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-error=tsan>)
endif()

# rlhf_library(NAME name SRCS ... HDRS ... DEPS ...)
#
# Makes rlhf_<name> with the alias rlhf::<name>. DEPS are direct dependencies.
# Without SRCS the library is header-only.
function(rlhf_library)
  cmake_parse_arguments(arg "" "NAME" "SRCS;HDRS;DEPS" ${ARGN})
  if(arg_SRCS)
    add_library(rlhf_${arg_NAME} STATIC ${arg_SRCS} ${arg_HDRS})
    target_link_libraries(rlhf_${arg_NAME} PRIVATE rlhf_flags PUBLIC ${arg_DEPS})
  else()
    add_library(rlhf_${arg_NAME} INTERFACE ${arg_HDRS})
    target_link_libraries(rlhf_${arg_NAME} INTERFACE ${arg_DEPS})
  endif()
  add_library(rlhf::${arg_NAME} ALIAS rlhf_${arg_NAME})
endfunction()

# rlhf_test(NAME name SRCS a_test.cc ... DEPS ... [LABELS ...] [TIMEOUT seconds])
#
# One executable per folder keeps links few; CTest runs it as one test.
function(rlhf_test)
  cmake_parse_arguments(arg "" "NAME;TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
  add_executable(${arg_NAME} ${arg_SRCS})
  target_link_libraries(${arg_NAME} PRIVATE
    rlhf_flags ${arg_DEPS} rlhf::testing GTest::gmock GTest::gtest_main)
  set_target_properties(${arg_NAME} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test)
  add_test(NAME ${arg_NAME} COMMAND ${arg_NAME})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  if(RLHF_SANITIZE)  # several times slower
    math(EXPR arg_TIMEOUT "5 * ${arg_TIMEOUT}")
  endif()
  set_tests_properties(${arg_NAME} PROPERTIES
    TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}"
    ENVIRONMENT "OMP_NUM_THREADS=2;GOMP_SPINCOUNT=0;RLHF_SOURCE_DIR=${PROJECT_SOURCE_DIR};RLHF_BINARY=${PROJECT_BINARY_DIR}/bin/rlhf")
endfunction()
