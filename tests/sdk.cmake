# The official Slack packages against build/throngd, as one test: tests/sdk/support/run.mjs says which file failed.
# The packages come from the lockfile, by `npm ci`, which needs the network the first time.
find_program(NPM npm)
if(NOT NPM OR NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/sdk/package.json)
  return()
endif()
throng_test(sdk install TIMEOUT 300
  COMMAND ${NPM} ci --no-audit --no-fund
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/sdk
  PROPERTIES FIXTURES_SETUP sdk_packages)
throng_test(sdk suite TIMEOUT 900
  COMMAND ${NPM} test
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/sdk
  PROPERTIES FIXTURES_REQUIRED sdk_packages RUN_SERIAL ON ENVIRONMENT THRONGD=${PROJECT_BINARY_DIR}/throngd)
