// SPDX-License-Identifier: Apache-2.0
// SERVED NODE: a real throngd in a temporary folder of its own, with free ports and without rate limits. It ends with
// its owner, and dies with this process whatever happens to it. To be started before any thread is.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <sys/types.h>

#include "tools/common/http_client.hpp"

namespace throng {

/// A folder that goes away with it.
class scratch_folder {
 public:
  /// Below `parent`; the system's temporary folder if that is empty.
  static result<scratch_folder> make(const std::string& parent);
  scratch_folder(scratch_folder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  scratch_folder& operator=(scratch_folder&&) = delete;
  ~scratch_folder();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit scratch_folder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

struct node_settings {
  std::string program;     // throngd
  std::string folder;      // the parent of its scratch folder
  int core = -1;           // the core it may use; -1: all
  std::string extra_yaml;  // more lines of configuration
};

class served_node {
 public:
  /// Starts it, and returns when it is ready. Errors: service_unavailable, with a sentence.
  static result<std::unique_ptr<served_node>> start(const node_settings& settings);
  ~served_node();

  /// Stops it cleanly and starts it again on the same data.
  result<> restart();

  pid_t process() const { return process_; }
  const http_url& client() const { return client_; }
  const std::string& admin_token() const { return admin_token_; }

 private:
  served_node(node_settings settings, scratch_folder folder);
  result<> launch();
  void end();

  node_settings settings_;
  scratch_folder folder_;
  std::string admin_token_;
  pid_t process_ = -1;
  http_url client_;
};

/// throngd beside this program.
std::string throngd_beside();

}  // namespace throng
