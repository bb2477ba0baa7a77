# throng_library(NAME [PROTO] LINK lib...): one static library a folder, from every .cpp below it.
# With PROTO, the folder's proto/*.proto are compiled as well and seen as "<folder>/proto/x.pb.h".
function(throng_library name)
  cmake_parse_arguments(ARG "PROTO" "" "LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(throng_${name} STATIC ${sources})
  target_include_directories(throng_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(throng_${name} PUBLIC ${ARG_LINK})
  if(ARG_PROTO)
    file(GLOB protos CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/proto/*.proto)
    set(out ${PROJECT_BINARY_DIR}/gen)
    file(MAKE_DIRECTORY ${out})
    set(generated)
    foreach(proto ${protos})
      file(RELATIVE_PATH relative ${PROJECT_SOURCE_DIR} ${proto})
      string(REGEX REPLACE "\\.proto$" "" stem ${relative})
      add_custom_command(
        OUTPUT ${out}/${stem}.pb.cc ${out}/${stem}.pb.h
        COMMAND protobuf::protoc --cpp_out=${out} -I${PROJECT_SOURCE_DIR} ${relative}
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
        DEPENDS ${protos})
      list(APPEND generated ${out}/${stem}.pb.cc)
    endforeach()
    add_library(throng_${name}_proto STATIC ${generated})
    target_include_directories(throng_${name}_proto SYSTEM PUBLIC ${out})
    target_compile_options(throng_${name}_proto PRIVATE -w)
    target_link_libraries(throng_${name}_proto PUBLIC protobuf::libprotobuf)
    target_link_libraries(throng_${name} PUBLIC throng_${name}_proto)
  endif()
endfunction()
