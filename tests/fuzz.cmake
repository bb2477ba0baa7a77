# One program for each tests/fuzz/<name>_fuzz.cpp, an `extern "C" int LLVMFuzzerTestOneInput(data, size)` without main.
# Its line `// link: throng_config ...` names the libraries it needs, by default throng_net; one whose libraries aren't
# built here (sanitizer builds do without the gateway) is left out.
#
# By default it is linked with tests/support/fuzz_driver.cpp and run as the test unit.fuzz_<name>: the inputs of
# tests/fuzz/corpus/<name>/, then THRONG_FUZZ_ROUNDS mutations of them. With THRONG_FUZZ=ON (preset fuzz, needs clang)
# it is a libFuzzer program:  build-fuzz/tests/fuzz_config tests/fuzz/corpus/config
set(THRONG_FUZZ_ROUNDS 3000 CACHE STRING "How many mutations each fuzz test runs")

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*_fuzz.cpp)
foreach(source ${fuzz_sources})
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${name})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})  # its link line may change

  file(STRINGS ${source} link_lines REGEX "^// link: ")
  set(missing FALSE)
  set(libraries)
  foreach(line ${link_lines})
    string(REGEX REPLACE "^// link: *" "" line "${line}")
    string(REGEX REPLACE " +" ";" line "${line}")
    list(APPEND libraries ${line})
  endforeach()
  if(NOT libraries)
    set(libraries throng_net)
  endif()
  foreach(library ${libraries})
    if(NOT TARGET ${library})
      set(missing TRUE)
    endif()
  endforeach()
  if(missing)
    continue()
  endif()

  add_executable(fuzz_${name} ${source})
  target_link_libraries(fuzz_${name} PRIVATE ${libraries})
  if(THRONG_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE support/fuzz_driver.cpp)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/no_corpus)
    set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
    if(NOT EXISTS ${corpus})
      set(corpus ${PROJECT_BINARY_DIR}/no_corpus)
    endif()
    throng_test(unit fuzz_${name} TIMEOUT 120 COMMAND fuzz_${name} ${corpus} ${THRONG_FUZZ_ROUNDS})
  endif()
endforeach()
