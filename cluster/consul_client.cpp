// SPDX-License-Identifier: Apache-2.0
#include "cluster/consul_client.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <random>
#include <sys/socket.h>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "config/log.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t idle_connections_max = 4;
constexpr std::uint32_t header_bytes_max = 16 * 1024;
constexpr std::size_t shown_bytes_max = 200;  // of an agent's words in a sentence of ours

/// "[::1]:8500" -> {"::1", "8500"}.
std::pair<std::string, std::string> host_and_port(const std::string& agent) {
  auto colon = agent.rfind(':');
  if (colon == std::string::npos) return {agent, "8500"};
  auto host = agent.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {host, agent.substr(colon + 1)};
}

std::uint16_t port_number(std::string_view text) {
  std::uint16_t port = 0;
  std::from_chars(text.data(), text.data() + text.size(), port);
  return port;  // 0 is refused by connect()
}

std::string shown(const std::string& body) {
  std::string text = body.substr(0, shown_bytes_max);
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < ' ' || c > '~'; }, ' ');
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

std::string why_failed(error_code failed, std::size_t answer_bytes_max) {
  if (failed == beast::error::timeout) return "no answer in time";
  if (failed == http::error::end_of_stream || failed == http::error::partial_message || failed == asio::error::eof)
    return "the connection was cut before the end of the answer";
  if (failed == http::error::body_limit) return "an answer of more than " + std::to_string(answer_bytes_max) + " bytes";
  if (failed.category() == make_error_code(http::error::bad_method).category())
    return "an answer that isn't HTTP (" + failed.message() + ")";
  return failed.message();
}

errc code_of(unsigned status) {
  switch (status) {
    case 400:
      return errc::invalid_arguments;
    case 401:
    case 403:
      return errc::no_permission;
    case 413:
      return errc::request_too_large;
    default:
      return errc::service_unavailable;
  }
}

}  // namespace

/// One connection and the loop that drives it, in the thread of the call that uses it.
class consul_client::connection {
 public:
  connection(std::size_t agent, const std::string& address) : agent_(agent), address_(address), stream_(loop_) {}

  std::size_t agent() const { return agent_; }
  const std::string& address() const { return address_; }
  /// The last answer ended as HTTP/1.1 wants it, so that another call can follow.
  bool can_go_on() const { return can_go_on_; }
  bool is_reused = false;

  /// Nothing came since the last answer: neither bytes nor an end.
  bool is_quiet() {
    char byte;
    return ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }
  error_code connect(clock::time_point deadline, const std::stop_token& stop);
  error_code send(const consul_request& request, const std::string& token, clock::time_point deadline,
                  const std::stop_token& stop);
  error_code receive(std::size_t bytes_max, clock::time_point deadline, const std::stop_token& stop,
                     consul_answer& answer);

 private:
  /// Runs one operation to its end; asio::error::operation_aborted if it was stopped. Then what `start` refers to is
  /// gone before the operation is, and nothing but the end of this connection may follow.
  template <class Start>
  error_code run(const std::stop_token& stop, Start start) {
    error_code outcome = asio::error::operation_aborted;
    start([&outcome](error_code failed, auto&&...) { outcome = failed; });
    loop_.restart();
    std::stop_callback stopped(stop, [this] { loop_.stop(); });  // runs at once if it was stopped before
    loop_.run();
    return outcome;
  }

  std::size_t agent_;
  std::string address_;
  asio::io_context loop_{1};
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request<http::string_body>> request_;  // as long as the operations that use them
  std::optional<http::response_parser<http::string_body>> parser_;
  std::optional<tcp::resolver> resolver_;
  tcp::resolver::results_type endpoints_;
  bool can_go_on_ = false;
};

error_code consul_client::connection::connect(clock::time_point deadline, const std::stop_token& stop) {
  auto [host, port] = host_and_port(address_);
  stream_.expires_at(deadline);
  error_code failed;
  // A number needs no resolver, which is a thread of its own.
  if (auto number = asio::ip::make_address(host, failed); !failed) {
    endpoints_ = tcp::resolver::results_type::create(tcp::endpoint(number, port_number(port)), host, port);
  } else {
    resolver_.emplace(loop_);
    failed = run(stop, [&](auto resolved) {
      resolver_->async_resolve(host, port, tcp::resolver::numeric_service,
                               [this, resolved](error_code outcome, tcp::resolver::results_type found) mutable {
                                 endpoints_ = std::move(found);
                                 resolved(outcome);
                               });
    });
  }
  if (failed) return failed;
  failed = run(stop, [&](auto connected) { stream_.async_connect(endpoints_, connected); });
  if (!failed) stream_.socket().set_option(tcp::no_delay(true), failed);
  return failed;
}

error_code consul_client::connection::send(const consul_request& request, const std::string& token,
                                           clock::time_point deadline, const std::stop_token& stop) {
  can_go_on_ = false;
  auto& sent = request_.emplace(http::string_to_verb(request.method), request.target, 11);
  sent.set(http::field::host, address_);
  sent.set(http::field::user_agent, "throng");
  if (!token.empty()) sent.set("X-Consul-Token", token);
  sent.body() = request.body;
  sent.prepare_payload();
  stream_.expires_at(deadline);
  return run(stop, [&](auto written) { http::async_write(stream_, *request_, written); });
}

error_code consul_client::connection::receive(std::size_t bytes_max, clock::time_point deadline,
                                              const std::stop_token& stop, consul_answer& answer) {
  parser_.emplace();
  parser_->body_limit(bytes_max);
  parser_->header_limit(header_bytes_max);
  stream_.expires_at(deadline);
  // The header by itself first: Beast 1.74 forgets that a body is too large if its beginning comes with the header.
  auto failed = run(stop, [&](auto read) { http::async_read_header(stream_, buffer_, *parser_, read); });
  if (!failed && !parser_->is_done())
    failed = run(stop, [&](auto read) { http::async_read(stream_, buffer_, *parser_, read); });
  if (failed) return failed;
  auto message = parser_->release();
  can_go_on_ = message.keep_alive() && buffer_.size() == 0;
  answer.status = message.result_int();
  answer.index = std::string(message["X-Consul-Index"]);
  answer.body = std::move(message.body());
  return {};
}

consul_client::consul_client(consul_options options) : options_(std::move(options)) {
  THRONG_ASSERT(!options_.agents.empty());
}

consul_client::~consul_client() = default;

result<consul_answer> consul_client::ask(const consul_request& request, std::stop_token stop) {
  auto began = clock::now();
  auto patience = options_.call_timeout;
  if (request.timeout.count() > 0) patience = std::min(patience, request.timeout);
  auto deadline = began + request.wait + request.wait / 16 + patience;
  std::size_t unreachable = 0;
  while (true) {
    auto used = take_idle();
    error_code failed;
    if (!used) {
      auto agent = current_agent();
      used = std::make_unique<connection>(agent, options_.agents[agent]);
      failed = used->connect(deadline, stop);
    }
    bool is_connected = !failed;
    consul_answer answer;
    if (!failed) failed = used->send(request, options_.token, deadline, stop);
    if (!failed) failed = used->receive(options_.answer_bytes_max, deadline, stop, answer);
    if (stop.stop_requested()) return error{errc::stopping, "the call to Consul was stopped"};

    std::string why;
    if (failed) {
      // The agent had closed it meanwhile; the others that wait are likely as stale.
      if (is_connected && used->is_reused && request.method == "GET" && failed != beast::error::timeout) continue;
      why = "the agent at " + used->address() + ": " + why_failed(failed, options_.answer_bytes_max);
      leave_agent(used->agent());
      // Nothing was asked yet, so another agent can be.
      if (!is_connected && ++unreachable < options_.agents.size() && clock::now() < deadline) continue;
    } else {
      auto status = answer.status;
      auto body = shown(answer.body);
      if (used->can_go_on()) keep(std::move(used));
      if (status < 500) note_answer();
      if (status == 200 || status == 404 || status == 409) return answer;
      why = "Consul answered " + std::to_string(status) + (body.empty() ? "" : ": " + body);
      if (status < 500) return error{code_of(status), why};
    }
    note_failure(began, why);
    return error{errc::service_unavailable, why};
  }
}

std::unique_ptr<consul_client::connection> consul_client::take_idle() {
  std::lock_guard lock(mutex_);
  while (!idle_.empty()) {
    auto one = std::move(idle_.back());
    idle_.pop_back();
    if (one->agent() != agent_ || !one->is_quiet()) continue;
    one->is_reused = true;
    return one;
  }
  return nullptr;
}

void consul_client::keep(std::unique_ptr<connection> idle) {
  std::lock_guard lock(mutex_);
  if (idle_.size() < idle_connections_max) idle_.push_back(std::move(idle));
}

std::size_t consul_client::current_agent() const {
  std::lock_guard lock(mutex_);
  return agent_;
}

/// Several calls may leave it at once: they all go to the same next one.
void consul_client::leave_agent(std::size_t agent) {
  std::lock_guard lock(mutex_);
  if (agent_ == agent) agent_ = (agent + 1) % options_.agents.size();
}

bool consul_client::is_away() const {
  std::lock_guard lock(mutex_);
  return is_away_;
}

void consul_client::note_answer() {
  std::unique_lock lock(mutex_);
  last_answer_ = clock::now();
  if (!std::exchange(is_away_, false)) return;
  ++returns_;
  came_back_.notify_all();
  auto away = std::chrono::duration_cast<std::chrono::seconds>(last_answer_ - away_since_);
  lock.unlock();
  log::info("Consul is back after {} s", away.count());
}

/// A call that began before the last answer (a blocking query on a connection that is dead) says nothing about now.
void consul_client::note_failure(clock::time_point began, const std::string& why) {
  std::unique_lock lock(mutex_);
  if (began < last_answer_ || std::exchange(is_away_, true)) return;
  away_since_ = clock::now();
  lock.unlock();
  log::warn("Consul is away ({}); going on with what is known", why);
}

void consul_client::wait_to_retry(int failures, std::stop_token stop) {
  thread_local std::minstd_rand random{std::random_device{}()};
  auto longest = options_.retry_min;
  for (int i = 1; i < failures && longest < options_.retry_max; ++i) longest *= 2;
  longest = std::min(longest, options_.retry_max);
  std::uniform_int_distribution<std::int64_t> jitter(longest.count() / 2, longest.count());
  pause(std::chrono::milliseconds(jitter(random)), stop);
}

void consul_client::pause(std::chrono::milliseconds at_most, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  auto returns = returns_;
  came_back_.wait_for(lock, stop, at_most, [&] { return returns_ != returns; });
}

}  // namespace throng
