# The black-box tests: real throngd processes, driven by Node (18 or newer) with the official Slack packages. Each file is
# one ctest entry, so that one summary shows all; node's report is shown when it fails.
find_program(NODE NAMES node nodejs)
find_program(NPM npm)
set(record ${PROJECT_BINARY_DIR}/sdk-record)

# Installs the packages of the lockfile if they aren't there, and empties the record of what the tests exercised.
if(NODE AND NPM)
  set(install ${NODE} ${CMAKE_CURRENT_SOURCE_DIR}/sdk/support/install.mjs ${NPM} ${record})
else()
  set(install ${CMAKE_COMMAND} -E false)  # tools/setup installs them
endif()
throng_test(sdk install TIMEOUT 300 COMMAND ${install} PROPERTIES FIXTURES_SETUP sdk_packages)

function(throng_node_tests ring folder timeout)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.test.mjs)
  foreach(file ${files})
    get_filename_component(theme ${file} NAME_WE)
    throng_test(${ring} ${theme} TIMEOUT ${timeout}
      COMMAND ${NODE} --test-reporter=spec ${file}
      PROPERTIES FIXTURES_REQUIRED sdk_packages ${ARGN})
    set_property(TEST ${ring}.${theme} PROPERTY
      ENVIRONMENT THRONGD=${PROJECT_BINARY_DIR}/throngd THRONG_TEST_RECORD=${record})
  endforeach()
endfunction()

throng_node_tests(sdk sdk 120 FIXTURES_SETUP sdk_exercised)
# Last, and only if all others passed: what did nobody exercise?
set_tests_properties(sdk.coverage PROPERTIES FIXTURES_SETUP "" FIXTURES_REQUIRED "sdk_packages;sdk_exercised")
# These measure memory and time, and use up what there is.
throng_node_tests(cluster process 240 RUN_SERIAL ON)
# A cluster that is hurt, and four of them, one after the other.
set_tests_properties(cluster.verify PROPERTIES TIMEOUT 900)
set_tests_properties(cluster.verify_broken PROPERTIES TIMEOUT 1800)
