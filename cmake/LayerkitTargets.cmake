# One helper per kind of target. What a target may include is what it links:
# the arrows of docs/ARCHITECTURE.md are the LINK lists below and nothing else.

set(LAYERKIT_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
    -Woverloaded-virtual -Wold-style-cast -Wcast-qual -Wformat=2 -Wundef -Wimplicit-fallthrough)
# GCC 12 sees overlapping copies in any "text" + string at -O2 (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND LAYERKIT_WARNINGS -Wno-restrict)
endif()

function(layerkit_compile_settings target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  # 64-bit offsets everywhere; GNU names (openat2, statx, ...) are what this project is made of.
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE _FILE_OFFSET_BITS=64)
  target_compile_options(${target} PRIVATE ${LAYERKIT_WARNINGS})
  # So that a program has of a static library what it uses, and no more.
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-ffunction-sections>
                                           $<$<CONFIG:Release>:-fdata-sections>)
  if(LAYERKIT_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(LAYERKIT_SANITIZE)
    # Whatever is reported ends the program: a test must not pass over it.
    target_compile_options(
      ${target} PRIVATE -fsanitize=${LAYERKIT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${LAYERKIT_SANITIZE})
  endif()
endfunction()

# layerkit_library(<room> HEADERS <public headers> SOURCES <files> LINK <layerkit targets and public deps> PRIVATE_LINK <deps>)
function(layerkit_library room)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  set(target layerkit_${room})
  add_library(${target} STATIC)
  add_library(layerkit::${room} ALIAS ${target})
  target_sources(
    ${target}
    PRIVATE ${ARG_SOURCES}
    PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${ARG_HEADERS})
  target_include_directories(${target} PRIVATE src)
  target_link_libraries(${target} PUBLIC ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK})
  layerkit_compile_settings(${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${room} VERIFY_INTERFACE_HEADER_SETS ON
                                             POSITION_INDEPENDENT_CODE ON)
  set_property(GLOBAL APPEND PROPERTY LAYERKIT_INSTALL_TARGETS ${target})
endfunction()

# layerkit_program(<name> SOURCES <files> LINK <targets>)
function(layerkit_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE src)
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  target_link_options(${name} PRIVATE $<$<CONFIG:Release>:-Wl,--gc-sections>)
  layerkit_compile_settings(${name})
  set_property(GLOBAL APPEND PROPERTY LAYERKIT_INSTALL_PROGRAMS ${name})
endfunction()

# layerkit_test(<name> LABEL unit|userns|root SOURCES <files> LINK <targets>)
# Every test of the binary becomes one ctest test with that label.
function(layerkit_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} layerkit_test_support)
  layerkit_compile_settings(${name})
  gtest_discover_tests(
    ${name}
    DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT 600)
endfunction()
