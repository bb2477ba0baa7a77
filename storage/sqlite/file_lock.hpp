// SPDX-License-Identifier: Apache-2.0
// Holds a store's file for this process, so that two can't open it. The lock is the kernel's (flock) on a file beside
// it, and so gone with its process, however that dies. The file stays, empty or with a number in it; it means nothing.
//
// Not on the database itself: closing any descriptor of that file would drop the locks that SQLite holds on it.
#pragma once

#include <filesystem>

#include "storage/model/result.hpp"

namespace throng::sqlite {

class file_lock {
 public:
  /// errc::service_unavailable, naming the process, if another one (or another store in this one) holds it.
  static result<file_lock> take(const std::filesystem::path& file);

  file_lock(file_lock&& other) noexcept;
  file_lock& operator=(file_lock&&) = delete;
  ~file_lock();

 private:
  explicit file_lock(int descriptor) noexcept : descriptor_(descriptor) {}
  int descriptor_;
};

/// Makes an empty file that only its owner can read, durably, if there is none. False with errno set if it can't.
bool make_private_file(const std::filesystem::path& file);

}  // namespace throng::sqlite
