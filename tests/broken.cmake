# throngd_broken_<sabotage>: throngd with one promise broken (storage/model/sabotage.hpp), for tests/process/verify_broken.
# The sources that keep the promise are compiled anew; as objects of the program they take the place of those in the
# libraries, which stay as they are. None of these programs is ever installed.
function(throng_broken_program sabotage)
  set(name throngd_broken_${sabotage})
  list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/)
  add_executable(${name} ${PROJECT_SOURCE_DIR}/tools/throngd/main.cpp ${ARGN})
  target_link_libraries(${name} PRIVATE throngd_parts throng_tools)
  target_compile_definitions(${name} PRIVATE
    THRONG_SABOTAGE=${sabotage} THRONG_VERSION="${PROJECT_VERSION}-broken-${sabotage}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
endfunction()

throng_broken_program(ack_before_commit actors/channel/channel.cpp)
throng_broken_program(no_fence storage/mysql/batch_plan.cpp storage/sqlite/sqlite_writer.cpp)
throng_broken_program(drop_forwarded cluster/handoff/slot_gates.cpp)
