// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite/file_lock.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

namespace throng::sqlite {

namespace {

constexpr auto private_mode = S_IRUSR | S_IWUSR;

std::string first_line(int descriptor) {
  char buffer[32];
  auto length = ::pread(descriptor, buffer, sizeof buffer, 0);
  return length > 0 ? std::string(buffer, static_cast<std::size_t>(length)) : std::string();
}

}  // namespace

result<file_lock> file_lock::take(const std::filesystem::path& file) {
  int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, private_mode);
  if (descriptor < 0)
    return error{errc::service_unavailable, "can't open " + file.string() + ": " + std::strerror(errno)};
  file_lock held(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return error{errc::service_unavailable, "can't lock " + file.string() + ": " + std::strerror(errno)};
    auto owner = first_line(descriptor);
    return error{errc::service_unavailable,
                 "it is in use by " + (owner.empty() ? "another process" : "process " + owner)};
  }
  // For the sentence above only; the lock doesn't depend on it, so a full disk doesn't matter here.
  auto pid = std::to_string(::getpid());
  [[maybe_unused]] bool written =
      ::ftruncate(descriptor, 0) == 0 && ::pwrite(descriptor, pid.data(), pid.size(), 0) > 0;
  return held;
}

file_lock::file_lock(file_lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

file_lock::~file_lock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool make_private_file(const std::filesystem::path& file) {
  int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, private_mode);
  if (descriptor < 0) return errno == EEXIST;
  ::close(descriptor);
  // The name must survive power loss too.
  auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return false;
  bool is_synced = ::fsync(directory) == 0;
  ::close(directory);
  return is_synced;
}

}  // namespace throng::sqlite
