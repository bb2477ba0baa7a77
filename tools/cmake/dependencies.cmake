# Everything Throng links against comes from Debian 12; tools/setup installs it.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Protobuf REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(doctest REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Boost 1.74 REQUIRED)

# Debian's libcaf-dev has headers and libraries, but no CMake package.
find_path(CAF_INCLUDE_DIR caf/all.hpp REQUIRED)
foreach(component core io)
  find_library(CAF_${component}_LIBRARY caf_${component} REQUIRED)
  add_library(caf::${component} SHARED IMPORTED)
  set_target_properties(caf::${component} PROPERTIES
    IMPORTED_LOCATION ${CAF_${component}_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${CAF_INCLUDE_DIR})
endforeach()
target_link_libraries(caf::core INTERFACE Threads::Threads)
target_link_libraries(caf::io INTERFACE caf::core)

find_library(XXHASH_LIBRARY xxhash REQUIRED)
find_library(MIMALLOC_LIBRARY mimalloc)
find_library(EDIT_LIBRARY edit)
find_library(PROMETHEUS_CORE_LIBRARY prometheus-cpp-core REQUIRED)
find_library(MYSQLCPPCONN_LIBRARY mysqlcppconn REQUIRED)

# Asio and Beast are compiled once; those who include them (cluster/consul*, cluster/tls*, net) see declarations only.
set(THRONG_ASIO_DEFINITIONS BOOST_ASIO_NO_DEPRECATED BOOST_BEAST_USE_STD_STRING_VIEW
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION)
set(THRONG_ASIO_OPTIONS $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)  # its fences, which a mutex is beside everywhere
add_library(throng_asio STATIC ${PROJECT_SOURCE_DIR}/net/transport/asio.cpp)
target_compile_definitions(throng_asio PRIVATE ${THRONG_ASIO_DEFINITIONS})
if(THRONG_SANITIZE MATCHES thread)
  target_compile_options(throng_asio PRIVATE ${THRONG_ASIO_OPTIONS})
endif()
target_link_libraries(throng_asio PRIVATE Boost::headers OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
