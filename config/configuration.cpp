// SPDX-License-Identifier: Apache-2.0
#include "config/configuration.hpp"

#include <filesystem>

namespace throng {

std::string configuration::data_path(const std::string& path) const {
  return (std::filesystem::path(data) / path).string();
}

}  // namespace throng
