// SPDX-License-Identifier: Apache-2.0
// link: throng_config
// Any bytes as a configuration: either one line that says why not, or a configuration that prints to text which loads
// to the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/load_yaml.hpp"
#include "config/print.hpp"
#include "config/validate.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace throng;
  configuration loaded;
  config_origins origins;
  auto problem = load_yaml({reinterpret_cast<const char*>(data), size}, "fuzz.yaml", loaded, origins);
  if (problem) {
    auto line = to_text(*problem);
    require(line.starts_with("fuzz.yaml") && line.find('\n') == std::string::npos);
    return 0;
  }
  loaded.tls = {};  // validate() would open what it names
  static_cast<void>(validate(loaded, origins));

  configuration again;
  config_origins more;
  require(!load_yaml(print_configuration(loaded), "printed", again, more));
  require(again == loaded);
  return 0;
}
