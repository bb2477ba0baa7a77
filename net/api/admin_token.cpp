// SPDX-License-Identifier: Apache-2.0
#include "net/api/admin_token.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/api/token_secret.hpp"

namespace throng {

namespace {

constexpr std::size_t token_bytes_min = 20;  // a shorter one could be guessed

error failed(const std::string& what, const std::string& path) {
  return {errc::service_unavailable, path + ": " + what + ": " + std::strerror(errno)};
}

class descriptor {
 public:
  explicit descriptor(int fd) : fd_(fd) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

result<std::string> read_token(int fd, const std::string& path) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) return failed("can't look at the admin token's file", path);
  if (about.st_mode & (S_IRWXG | S_IRWXO))
    return error{errc::service_unavailable, path + ": others than the owner may use the admin token's file: chmod 600"};
  char bytes[512];
  const auto count = ::read(fd, bytes, sizeof bytes);
  if (count < 0) return failed("can't read the admin token", path);
  std::string token(bytes, static_cast<std::size_t>(count));
  token.resize(std::min(token.size(), token.find_first_of("\r\n")));
  if (token.size() < token_bytes_min)
    return error{errc::service_unavailable, path + ": no admin token of at least 20 characters in the first line"};
  return token;
}

/// Beside the file and then linked to its name, so that a start that is cut off leaves no half a token, and one of two
/// starts at once wins.
result<> write_token(const std::string& path, const std::string& prefix) {
  const auto beside = path + "." + random_text(8);
  const auto token = prefix + random_text(43) + "\n";
  {
    descriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!file.is_open()) return failed("can't make the admin token's file", path);
    const bool written = ::write(file.fd(), token.data(), token.size()) == static_cast<ssize_t>(token.size());
    if (!written || ::fsync(file.fd()) != 0) {
      auto failure = failed("can't write the admin token", path);
      ::unlink(beside.c_str());
      return failure;
    }
  }
  const bool linked = ::link(beside.c_str(), path.c_str()) == 0 || errno == EEXIST;
  auto failure = failed("can't make the admin token's file", path);
  ::unlink(beside.c_str());
  if (!linked) return failure;
  return done;
}

}  // namespace

result<std::string> load_admin_token(const std::string& path, const std::string& prefix) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.is_open()) return read_token(file.fd(), path);
    if (errno != ENOENT) return failed("can't open the admin token's file", path);
    if (auto written = write_token(path, prefix); !written) return written.failure();
  }
  return failed("can't open the admin token's file", path);
}

}  // namespace throng
