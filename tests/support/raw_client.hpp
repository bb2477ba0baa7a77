// SPDX-License-Identifier: Apache-2.0
// A client that sends exactly the bytes it is told, for the tests of what other clients would never send. Blocking,
// with a deadline on every call (it throws): a test can fail, but not hang. With or without TLS; on top of the bytes
// the little HTTP and websocket that the tests need, written apart from the code they test.
#pragma once

#include <arpa/inet.h>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <map>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <openssl/ssl.h>

namespace throng::test {

inline constexpr std::chrono::seconds client_deadline{10};

/// Looks until `ready()` holds; false after the deadline. For what has no event to wait for.
template <class F>
bool wait_until(F ready, std::chrono::milliseconds deadline = client_deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!ready()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
    ::poll(nullptr, 0, 1);
  }
  return true;
}

struct raw_response {
  int status = 0;
  std::string head;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct raw_frame {
  bool fin = true;
  unsigned opcode = 0;
  std::string payload;
  std::uint16_t close_code() const {
    if (payload.size() < 2) return 0;
    return static_cast<std::uint16_t>((static_cast<unsigned char>(payload[0]) << 8) |
                                      static_cast<unsigned char>(payload[1]));
  }
};

struct client_options {
  bool tls = false;
  int receive_buffer = 0;  // SO_RCVBUF
};

class raw_client {
 public:
  explicit raw_client(std::uint16_t port, client_options options = {}) {
    std::signal(SIGPIPE, SIG_IGN);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0) throw std::runtime_error("no descriptor for a client");
    if (options.receive_buffer > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer, sizeof options.receive_buffer);
    }
    const int yes = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      ::close(fd_);
      throw std::runtime_error("can't connect");
    }
    if (options.tls) start_tls();
  }
  ~raw_client() {
    if (tls_ != nullptr) SSL_free(tls_);
    if (context_ != nullptr) SSL_CTX_free(context_);
    close();
  }
  raw_client(const raw_client&) = delete;
  raw_client& operator=(const raw_client&) = delete;

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void shut_down_sending() { ::shutdown(fd_, SHUT_WR); }
  int fd() const { return fd_; }

  // -- bytes ---------------------------------------------------------------------------------------------------------

  /// Throws if the peer resets before all are sent.
  void send(std::string_view bytes) {
    if (!try_send(bytes)) throw std::runtime_error("the server closed while the client was sending");
  }
  bool try_send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n;
      if (tls_ != nullptr) {
        n = SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()));
      } else {
        wait_for(POLLOUT);
        n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      }
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  /// False at the end of the stream or after a reset; was_reset() tells which.
  bool fill() {
    char buffer[65536];
    ssize_t n;
    if (tls_ != nullptr) {
      if (SSL_pending(tls_) == 0) wait_for(POLLIN);
      n = SSL_read(tls_, buffer, sizeof buffer);
    } else {
      wait_for(POLLIN);
      n = ::recv(fd_, buffer, sizeof buffer, 0);
    }
    if (n < 0 && errno == ECONNRESET) was_reset_ = true;
    if (n <= 0) return false;
    received_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }
  bool was_reset() const { return was_reset_; }
  std::string& received() { return received_; }

  std::string read_exactly(std::size_t bytes) {
    while (received_.size() < bytes) {
      if (!fill()) throw std::runtime_error("the stream ended early");
    }
    auto result = received_.substr(0, bytes);
    received_.erase(0, bytes);
    return result;
  }
  std::string read_to_end() {
    while (fill()) {
    }
    return std::exchange(received_, {});
  }

  // -- HTTP ----------------------------------------------------------------------------------------------------------

  raw_response read_response(bool has_body = true) {
    raw_response response;
    std::size_t end;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) throw std::runtime_error("no whole response header: " + received_);
    }
    response.head = read_exactly(end + 4);
    response.status = std::stoi(response.head.substr(9, 3));
    std::size_t at = response.head.find("\r\n") + 2;
    while (at + 2 < response.head.size()) {
      const auto line_end = response.head.find("\r\n", at);
      const auto colon = response.head.find(": ", at);
      std::string name = response.head.substr(at, colon - at);
      for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      response.headers[name] = response.head.substr(colon + 2, line_end - colon - 2);
      at = line_end + 2;
    }
    if (has_body && response.headers.count("content-length") > 0) {
      response.body = read_exactly(std::stoul(response.headers["content-length"]));
    }
    return response;
  }
  raw_response get(const std::string& target, const std::string& headers = {}) {
    send("GET " + target + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n");
    return read_response();
  }

  // -- websocket -----------------------------------------------------------------------------------------------------

  static std::string upgrade_request(const std::string& target = "/ws", const std::string& headers = {}) {
    return "GET " + target +
           " HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
           headers + "\r\n";
  }
  raw_response upgrade(const std::string& target = "/ws", const std::string& headers = {}) {
    send(upgrade_request(target, headers));
    return read_response(false);
  }

  static std::string frame(unsigned opcode, std::string_view payload, bool fin = true, bool masked = true) {
    std::string out;
    out.push_back(static_cast<char>((fin ? 0x80 : 0) | opcode));
    const char mask_bit = masked ? static_cast<char>(0x80) : 0;
    if (payload.size() < 126) {
      out.push_back(static_cast<char>(payload.size() | static_cast<unsigned char>(mask_bit)));
    } else if (payload.size() < 65536) {
      out.push_back(static_cast<char>(126 | static_cast<unsigned char>(mask_bit)));
      out.push_back(static_cast<char>(payload.size() >> 8));
      out.push_back(static_cast<char>(payload.size() & 0xff));
    } else {
      out.push_back(static_cast<char>(127 | static_cast<unsigned char>(mask_bit)));
      for (int shift = 56; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>((static_cast<std::uint64_t>(payload.size()) >> shift) & 0xff));
      }
    }
    static constexpr unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
    if (masked) out.append(reinterpret_cast<const char*>(mask), 4);
    for (std::size_t i = 0; i < payload.size(); ++i) {
      out.push_back(masked ? static_cast<char>(payload[i] ^ mask[i % 4]) : payload[i]);
    }
    return out;
  }
  void send_text(std::string_view payload) { send(frame(1, payload)); }

  /// Nullopt at the end of the stream. Throws on anything that is not an unmasked, unextended frame.
  std::optional<raw_frame> read_frame() {
    while (received_.size() < 2) {
      if (!fill()) return std::nullopt;
    }
    raw_frame result;
    const auto first = static_cast<unsigned char>(received_[0]);
    const auto second = static_cast<unsigned char>(received_[1]);
    result.fin = (first & 0x80) != 0;
    result.opcode = first & 0x0f;
    if ((first & 0x70) != 0 || (second & 0x80) != 0) throw std::runtime_error("a corrupt frame header");
    if (result.opcode != 1 && result.opcode != 2 && (result.opcode < 8 || result.opcode > 10)) {
      throw std::runtime_error("a corrupt opcode");
    }
    std::size_t size = second & 0x7f;
    std::size_t head = 2;
    if (size >= 126) {
      const std::size_t octets = size == 126 ? 2 : 8;
      while (received_.size() < 2 + octets) {
        if (!fill()) return std::nullopt;
      }
      size = 0;
      for (std::size_t i = 0; i < octets; ++i) size = size << 8 | static_cast<unsigned char>(received_[2 + i]);
      head += octets;
    }
    while (received_.size() < head + size) {
      if (!fill()) return std::nullopt;
    }
    result.payload = received_.substr(head, size);
    received_.erase(0, head + size);
    return result;
  }

 private:
  void wait_for(short events) {
    pollfd p{fd_, events, 0};
    const int ms = static_cast<int>(std::chrono::milliseconds(client_deadline).count());
    if (::poll(&p, 1, ms) == 0) throw std::runtime_error("the server did nothing until the deadline");
  }

  void start_tls() {
    context_ = SSL_CTX_new(TLS_client_method());
    tls_ = SSL_new(context_);
    SSL_set_fd(tls_, fd_);
    timeval limit{client_deadline.count(), 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (SSL_connect(tls_) != 1) throw std::runtime_error("the TLS handshake failed");
  }

  int fd_ = -1;
  ssl_ctx_st* context_ = nullptr;
  ssl_st* tls_ = nullptr;
  std::string received_;
  bool was_reset_ = false;
};

}  // namespace throng::test
