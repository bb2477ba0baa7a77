// SPDX-License-Identifier: Apache-2.0
#include "tools/common/http_client.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

namespace throng {

namespace {

using clock = std::chrono::steady_clock;

error trouble(std::string sentence) { return {errc::service_unavailable, std::move(sentence)}; }
error trouble_with(const char* what) { return trouble(std::string(what) + ": " + std::strerror(errno)); }

/// True when `fd` is ready for `events`, false at the deadline.
bool wait_for(int fd, short events, clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now()).count();
    pollfd one{fd, events, 0};
    const auto ready = ::poll(&one, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return true;  // the call that follows says what is wrong
  }
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <class Number>
bool parse_whole(std::string_view text, Number& value) {
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failure == std::errc() && end == text.data() + text.size();
}

result<unique_fd> connect_to(const addrinfo& where, clock::time_point deadline, const std::string& source) {
  unique_fd fd(::socket(where.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return trouble_with("no socket");
  const int on = 1;
  ::setsockopt(fd.value(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!source.empty()) {
    // The port is chosen at connect(), by the whole pair of addresses, so 28,000 ports serve each source.
    ::setsockopt(fd.value(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in from{};
    from.sin_family = AF_INET;
    if (::inet_pton(AF_INET, source.c_str(), &from.sin_addr) != 1 ||
        ::bind(fd.value(), reinterpret_cast<sockaddr*>(&from), sizeof from) != 0) {
      return trouble_with("no local address");
    }
  }
  if (::connect(fd.value(), where.ai_addr, where.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return trouble(std::strerror(errno));
    if (!wait_for(fd.value(), POLLOUT, deadline)) return trouble("no answer in time");
    int failure = 0;
    socklen_t size = sizeof failure;
    ::getsockopt(fd.value(), SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) return trouble(std::strerror(failure));
  }
  return fd;
}

}  // namespace

std::string http_url::authority() const {
  const bool is_v6 = host.find(':') != host.npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

result<http_url> parse_http_url(std::string_view text) {
  auto wrong = [&] {
    return error{errc::invalid_arguments, "not a URL such as http://127.0.0.1:8081: `" + std::string(text) + "`"};
  };
  http_url url;
  const auto scheme_end = text.find("://");
  if (scheme_end == text.npos) return wrong();
  url.scheme = text.substr(0, scheme_end);
  if (url.scheme != "http" && url.scheme != "ws") return wrong();
  auto rest = text.substr(scheme_end + 3);
  const auto path = std::min(rest.size(), rest.find_first_of("/?#"));
  auto authority = rest.substr(0, path);
  auto target = rest.substr(path, rest.find('#') - path);
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  if (authority.find('@') != authority.npos) return wrong();

  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == authority.npos) return wrong();
    url.host = authority.substr(1, close - 1);
    authority.remove_prefix(close + 1);
  } else {
    const auto colon = std::min(authority.size(), authority.find(':'));
    url.host = authority.substr(0, colon);
    authority.remove_prefix(colon);
  }
  url.port = 80;
  if (!authority.empty() && (authority[0] != ':' || !parse_whole(authority.substr(1), url.port))) return wrong();
  const auto forbidden = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; };
  for (auto part : {std::string_view(url.host), std::string_view(url.target)})
    for (char c : part)
      if (forbidden(c)) return wrong();
  if (url.host.empty() || url.port == 0) return wrong();
  return url;
}

std::optional<result<http_head>> parse_http_head(std::string_view received) {
  constexpr std::size_t head_bytes_max = 64 * 1024;
  auto wrong = [](const char* what) { return error{errc::invalid_form_data, what}; };
  const auto end = received.find("\r\n\r\n");
  if (end == received.npos) {
    if (received.size() > head_bytes_max) return wrong("the answer's head is too large");
    return std::nullopt;
  }
  http_head head;
  head.head_bytes = end + 4;
  auto lines = received.substr(0, end);
  const auto first = lines.substr(0, lines.find("\r\n"));
  if (!first.starts_with("HTTP/1.") || first.size() < 12 || !parse_whole(first.substr(9, 3), head.status))
    return wrong("the answer is not HTTP/1");
  head.closes = first.starts_with("HTTP/1.0");
  bool has_size = false;
  lines.remove_prefix(std::min(lines.size(), first.size() + 2));
  while (!lines.empty()) {
    const auto line = lines.substr(0, lines.find("\r\n"));
    lines.remove_prefix(std::min(lines.size(), line.size() + 2));
    const auto colon = line.find(':');
    if (colon == line.npos) continue;
    const auto name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
    if (equals_ignoring_case(name, "content-length")) {
      if (!parse_whole(value, head.body_bytes)) return wrong("the answer has no valid Content-Length");
      has_size = true;
    } else if (equals_ignoring_case(name, "connection")) {
      if (equals_ignoring_case(value, "close")) head.closes = true;
    } else if (equals_ignoring_case(name, "transfer-encoding")) {
      return wrong("the answer is in chunks, which this client doesn't read");
    }
  }
  const bool has_no_body = head.status < 200 || head.status == 204 || head.status == 304;
  if (!has_size && !has_no_body) return wrong("the answer has no Content-Length");
  return head;
}

result<unique_fd> connect_tcp(const http_url& server, clock::time_point deadline, const std::string& source) {
  addrinfo hints{};
  hints.ai_family = source.empty() ? AF_UNSPEC : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const auto failure = ::getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found);
  if (failure != 0) return trouble("can't find " + server.host + ": " + ::gai_strerror(failure));
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  std::string why;
  for (const auto* each = found; each; each = each->ai_next) {
    auto fd = connect_to(*each, deadline, source);
    if (fd) return fd;
    why = fd.failure().detail;
  }
  return trouble("can't reach " + server.authority() + ": " + why);
}

result<> send_all(int fd, std::string_view bytes, clock::time_point deadline) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!wait_for(fd, POLLOUT, deadline)) return trouble("it took nothing in time");
    } else if (errno != EINTR) {
      return trouble_with("sending failed");
    }
  }
  return done;
}

result<> receive_some(int fd, std::string& into, clock::time_point deadline) {
  char buffer[16 * 1024];
  while (true) {
    const auto count = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count > 0) {
      into.append(buffer, static_cast<std::size_t>(count));
      return done;
    }
    if (count == 0) return trouble("it closed the connection");
    if (errno == EAGAIN) {
      if (!wait_for(fd, POLLIN, deadline)) return trouble("no answer in time");
    } else if (errno != EINTR) {
      return trouble_with("receiving failed");
    }
  }
}

/// An idle connection that the server has closed, or that has something to say unasked, is not.
bool http_client::is_usable() const {
  char byte = 0;
  return connection_ && ::recv(connection_.value(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

result<http_answer> http_client::request(std::string_view method, std::string_view target, std::string_view token,
                                         std::string_view content_type, std::string_view body) {
  const auto deadline = clock::now() + timeout_;
  if (!is_usable()) {
    auto fresh = connect_tcp(server_, deadline);
    if (!fresh) return fresh.failure();
    connection_ = std::move(*fresh);
  }
  std::string bytes;
  bytes.reserve(256 + body.size());
  bytes.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ").append(server_.authority());
  if (!token.empty()) bytes.append("\r\nAuthorization: Bearer ").append(token);
  if (!content_type.empty()) bytes.append("\r\nContent-Type: ").append(content_type);
  bytes.append("\r\nContent-Length: ").append(std::to_string(body.size())).append("\r\n\r\n").append(body);

  auto answer = exchange(bytes, deadline);
  if (!answer) {
    connection_.reset();
    return trouble(server_.authority() + ": " + answer.failure().detail);
  }
  return answer;
}

result<http_answer> http_client::exchange(std::string_view bytes, clock::time_point deadline) {
  if (auto sent = send_all(connection_.value(), bytes, deadline); !sent) return sent.failure();
  std::string received;
  while (true) {
    auto head = parse_http_head(received);
    if (!head) {
      if (auto more = receive_some(connection_.value(), received, deadline); !more) return more.failure();
      continue;
    }
    if (!*head) return head->failure();
    const auto& found = **head;
    if (found.status == 100) {
      received.erase(0, found.head_bytes);
      continue;
    }
    if (found.body_bytes > answer_bytes_max) return trouble("the answer is too large");
    while (received.size() < found.head_bytes + found.body_bytes) {
      if (auto more = receive_some(connection_.value(), received, deadline); !more) return more.failure();
    }
    if (found.closes) connection_.reset();
    return http_answer{found.status, received.substr(found.head_bytes, found.body_bytes)};
  }
}

}  // namespace throng
