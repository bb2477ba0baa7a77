// SPDX-License-Identifier: Apache-2.0
#include "cluster/tls_gate.hpp"

#include <atomic>
#include <charconv>
#include <list>
#include <thread>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "config/log.hpp"

namespace throng {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

auto into(error_code& failed) { return asio::redirect_error(asio::use_awaitable, failed); }

std::optional<std::pair<std::string, std::uint16_t>> split(std::string_view address) {
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto host = address.substr(0, colon), digits = address.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (failed != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return std::pair{std::string(host), port};
}

/// A connection and its TLS, if it has any, until it is handed over.
struct wire {
  explicit wire(asio::io_context& io) : socket(io), deadline(io) {}

  void close() {
    error_code ignored;
    (void)socket.close(ignored);
  }
  void close_after(std::chrono::milliseconds time, std::shared_ptr<wire> self) {
    deadline.expires_after(time);
    deadline.async_wait([self = std::move(self)](error_code cancelled) {
      if (cancelled || self->is_done) return;
      self->is_late = true;
      self->close();
    });
  }

  tls_session tls;
  tcp::socket socket;
  asio::steady_timer deadline;
  bool is_done = false, is_late = false;
  bool spoke = false;  // it has said something
};
using wire_ptr = std::shared_ptr<wire>;

/// Repeats a step of TLS until it moves something, or fails.
template <class Step>
asio::awaitable<bool> repeat(wire& over, Step step) {
  for (error_code failed; !failed;) {
    const auto outcome = step();
    if (outcome == tls_session::step::moved) co_return true;
    if (outcome == tls_session::step::failed) co_return false;
    const auto direction = outcome == tls_session::step::wants_read ? tcp::socket::wait_read : tcp::socket::wait_write;
    co_await over.socket.async_wait(direction, into(failed));
  }
  co_return false;
}

asio::awaitable<bool> shake_hands(wire& over) {
  return repeat(over, [&over] { return over.tls.shake_hands(); });
}

asio::awaitable<bool> write_all(wire& to, std::string bytes) {
  error_code failed;
  if (!to.tls) {
    co_await asio::async_write(to.socket, asio::buffer(bytes), into(failed));
    co_return !failed;
  }
  for (std::size_t done = 0, moved = 0; done < bytes.size(); done += moved) {
    const bool was_moved =
        co_await repeat(to, [&] { return to.tls.write(bytes.data() + done, bytes.size() - done, moved); });
    if (!was_moved) co_return false;
  }
  co_return true;
}

asio::awaitable<bool> read_exactly(wire& from, std::string& bytes) {
  error_code failed;
  if (!from.tls) {
    co_await asio::async_read(from.socket, asio::buffer(bytes), into(failed));
    co_return !failed;
  }
  for (std::size_t done = 0, moved = 0; done < bytes.size(); done += moved) {
    const bool was_moved =
        co_await repeat(from, [&] { return from.tls.read(bytes.data() + done, bytes.size() - done, moved); });
    if (!was_moved) co_return false;
  }
  co_return true;
}

/// The body of what the other end says first. Nothing if it is no greeting, or doesn't come.
asio::awaitable<std::optional<std::string>> read_greeting(wire& from) {
  std::string head(greeting_head_bytes, '\0');
  const bool has_head = co_await read_exactly(from, head);
  from.spoke = has_head;
  const auto size = has_head ? greeting_body_bytes(head) : std::nullopt;
  if (!size) co_return std::nullopt;
  std::string body(*size, '\0');
  const bool has_body = co_await read_exactly(from, body);
  if (!has_body) co_return std::nullopt;
  co_return body;
}

}  // namespace

class tls_gate::impl {
 public:
  impl(options with, events to) : options_(std::move(with)), events_(std::move(to)), acceptor_(io_) {}

  result<> open() {
    const auto address = split(options_.listen);
    error_code failed;
    const auto host = asio::ip::make_address(address ? address->first : "", failed);
    if (failed)
      return error{errc::invalid_arguments, options_.listen + " is no address to listen at (host:port, in numbers)"};
    if (!host.is_loopback() && !options_.tls)
      return error{errc::invalid_arguments, "links beyond loopback need TLS files: " + options_.listen};
    if (options_.tls) {
      auto identity = tls_identity::load(*options_.tls);
      if (!identity) return identity.failure();
      identity_ = std::move(*identity);
    }
    host_ = host;
    const tcp::endpoint endpoint(host, address->second);
    acceptor_.open(endpoint.protocol(), failed);
    if (!failed) acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
    if (!failed) acceptor_.bind(endpoint, failed);
    if (!failed) acceptor_.listen(asio::socket_base::max_listen_connections, failed);
    if (!failed) port_ = acceptor_.local_endpoint(failed).port();
    if (failed) return error{errc::invalid_arguments, "can't listen at " + options_.listen + ": " + failed.message()};
    spawn(keep_accepting());
    thread_ = std::thread([this] { io_.run(); });
    return done;
  }

  void dial(const std::string& address, const link_greeting& greeting, std::function<void(result<peer_socket>)> tell) {
    asio::post(io_, [=, this]() mutable { spawn(dial_one(address, greeting, std::move(tell))); });
  }

  void look(const std::string& address, std::function<void(result<>)> tell) {
    asio::post(io_, [=, this]() mutable { spawn(look_once(address, std::move(tell))); });
  }

  void stop() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  std::uint16_t port() const { return port_; }

  figures read_figures() const {
    return {accepted_, welcomed_, refused_, failed_, evicted_, timed_out_, handshake_count_};
  }

 private:
  void spawn(asio::awaitable<void> what) {
    asio::co_spawn(io_, std::move(what), [](std::exception_ptr failure) {
      try {
        if (failure) std::rethrow_exception(failure);
      } catch (const std::exception& e) {
        log::error("the links' gate failed: {}", e.what());
      }
    });
  }

  asio::awaitable<void> keep_accepting() {
    asio::steady_timer pause(io_);
    for (;;) {
      auto next = std::make_shared<wire>(io_);
      error_code failed;
      co_await acceptor_.async_accept(next->socket, into(failed));
      if (failed == asio::error::operation_aborted) co_return;
      if (failed) {  // no descriptors, for instance
        pause.expires_after(std::chrono::milliseconds(100));
        co_await pause.async_wait(into(failed));
        continue;
      }
      ++accepted_;
      if (handshakes_.size() >= options_.handshakes_max) {
        ++evicted_;
        handshakes_.front()->close();
        handshakes_.pop_front();
      }
      handshakes_.push_back(next);
      handshake_count_ = handshakes_.size();
      spawn(receive(std::move(next)));
    }
  }

  void finish(const wire_ptr& line) {
    line->is_done = true;
    line->deadline.cancel();
    handshakes_.remove(line);
    handshake_count_ = handshakes_.size();
    if (line->is_late) ++timed_out_;
  }

  asio::awaitable<void> receive(wire_ptr line) {
    error_code ignored;
    const auto from = line->socket.remote_endpoint(ignored);
    prepare_socket(line->socket);
    line->close_after(options_.handshake_deadline, line);
    std::string trouble;
    if (identity_) {
      line->tls = identity_->begin(line->socket.native_handle(), false);
      const bool is_trusted = line->tls && co_await shake_hands(*line);
      if (!is_trusted) trouble = line->tls.trouble().empty() ? "it went" : "TLS: " + line->tls.trouble();
      line->spoke = !line->tls.trouble().empty();
    }
    std::optional<link_greeting> greeting;
    if (trouble.empty()) {
      const auto body = co_await read_greeting(*line);
      greeting = body ? decode_greeting(*body) : std::nullopt;
      if (!greeting) trouble = "it doesn't greet as a node does";
    }
    std::string why;
    if (greeting) {
      why = events_.judge(*greeting);
      const bool was_said = co_await write_all(*line, encode_reply(why));
      if (!was_said) trouble = "it went";
    }
    finish(line);
    if (!trouble.empty()) {
      ++failed_;
      // Who connects and goes again has only looked whether somebody is here.
      if (line->is_late)
        complain(from, "its handshake wasn't done in time");
      else if (line->spoke)
        complain(from, trouble);
    } else if (!why.empty()) {
      ++refused_;
    } else if (auto ready = hand_over(line)) {
      ++welcomed_;
      events_.arrived(*greeting, std::move(ready));
      co_return;
    }
    line->close();
  }

  /// At most once a second: strangers don't fill the log.
  void complain(const tcp::endpoint& from, const std::string& why) {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_complaint_) {
      ++complaints_left_out_;
      return;
    }
    next_complaint_ = now + std::chrono::seconds(1);
    const auto others = std::exchange(complaints_left_out_, 0);
    log::warn("the links' gate sends {}:{} away: {}{}", from.address().to_string(), from.port(), why,
              others > 0 ? " (and " + std::to_string(others) + " others since the last such line)" : "");
  }

  asio::awaitable<void> dial_one(std::string address, link_greeting greeting,
                                 std::function<void(result<peer_socket>)> tell) {
    auto line = std::make_shared<wire>(io_);
    line->close_after(options_.handshake_deadline, line);
    auto reached = co_await connect(*line, address);
    if (reached && identity_) reached = co_await trust(*line);
    std::optional<std::string> why_not;
    if (reached) {
      const bool was_said = co_await write_all(*line, encode(greeting));
      if (was_said) why_not = co_await read_greeting(*line);
      if (!why_not && line->tls.trouble().empty())
        reached = error{errc::service_unavailable, "it ended the connection"};
      else if (!why_not)
        reached = error{errc::no_permission, "TLS: " + line->tls.trouble()};
    }
    finish(line);
    if (line->is_late) reached = error{errc::service_unavailable, "no answer in time"};
    if (reached && why_not->empty()) {
      if (auto ready = hand_over(line)) {
        tell(std::move(ready));
        co_return;
      }
      reached = error{errc::service_unavailable, "no descriptors are left"};
    }
    line->close();
    tell(reached ? error{errc::no_permission, *why_not} : reached.failure());
  }

  asio::awaitable<void> look_once(std::string address, std::function<void(result<>)> tell) {
    auto line = std::make_shared<wire>(io_);
    line->close_after(options_.handshake_deadline, line);
    auto reached = co_await connect(*line, address);
    finish(line);
    line->close();
    tell(std::move(reached));
  }

  asio::awaitable<result<>> connect(wire& line, const std::string& address) {
    auto fail = [](std::string why) { return error{errc::service_unavailable, std::move(why)}; };
    const auto parts = split(address);
    if (!parts) co_return fail("it is no address: " + address);
    error_code failed;
    tcp::endpoint endpoint(asio::ip::make_address(parts->first, failed), parts->second);
    if (failed) {  // a name
      tcp::resolver resolver(io_);
      const auto found = co_await resolver.async_resolve(parts->first, std::to_string(parts->second), into(failed));
      if (failed || found.empty()) co_return fail("its name can't be resolved");
      endpoint = found.begin()->endpoint();
    }
    if (!identity_ && !endpoint.address().is_loopback())
      co_return fail("it is beyond loopback, and there are no TLS files");
    if (line.is_late) co_return fail("no answer in time");
    // Nodes of one machine dial from where they listen: what is between them (tools/cluster) sees who it is.
    if (host_.is_loopback() && endpoint.address().is_loopback() && host_.is_v4() == endpoint.address().is_v4()) {
      line.socket.open(endpoint.protocol(), failed);
      if (!failed) line.socket.bind(tcp::endpoint(host_, 0), failed);
      if (failed) co_return fail(failed.message());
    }
    co_await line.socket.async_connect(endpoint, into(failed));
    if (failed == asio::error::connection_refused) co_return error{errc::not_found, "nobody listens there"};
    if (failed) co_return fail(failed.message());
    prepare_socket(line.socket);
    co_return done;
  }

  asio::awaitable<result<>> trust(wire& line) {
    line.tls = identity_->begin(line.socket.native_handle(), true);
    const bool is_trusted = line.tls && co_await shake_hands(line);
    if (!is_trusted && line.tls.trouble().empty())
      co_return error{errc::service_unavailable, "it ended the connection during the handshake"};
    if (!is_trusted) co_return error{errc::no_permission, "TLS: " + line.tls.trouble()};
    co_return done;
  }

  static void prepare_socket(tcp::socket& socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.native_non_blocking(true, ignored);
  }

  peer_socket hand_over(const wire_ptr& line) {
    error_code failed;
    const int socket = line->socket.release(failed);
    if (failed) return {};
    return {std::move(line->tls), unique_socket(socket)};
  }

  const options options_;
  const events events_;
  std::unique_ptr<tls_identity> identity_;
  std::atomic<std::uint64_t> accepted_{0}, welcomed_{0}, refused_{0}, failed_{0}, evicted_{0}, timed_out_{0};
  std::atomic<std::size_t> handshake_count_{0};
  asio::ip::address host_;
  std::uint16_t port_ = 0;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  std::chrono::steady_clock::time_point next_complaint_{};
  std::size_t complaints_left_out_ = 0;
  std::list<wire_ptr> handshakes_;  // of those who came; oldest first
  std::thread thread_;
};

tls_gate::tls_gate(std::unique_ptr<impl> made) : impl_(std::move(made)) {}
tls_gate::~tls_gate() { stop(); }

result<std::unique_ptr<tls_gate>> tls_gate::open(options with, events to) {
  auto made = std::make_unique<impl>(std::move(with), std::move(to));
  if (auto opened = made->open(); !opened) return opened.failure();
  return std::unique_ptr<tls_gate>(new tls_gate(std::move(made)));
}

std::uint16_t tls_gate::port() const { return impl_->port(); }
void tls_gate::dial(const std::string& address, const link_greeting& greeting,
                    std::function<void(result<peer_socket>)> done) {
  impl_->dial(address, greeting, std::move(done));
}
void tls_gate::look(const std::string& address, std::function<void(result<>)> done) {
  impl_->look(address, std::move(done));
}
void tls_gate::stop() { impl_->stop(); }
tls_gate::figures tls_gate::read_figures() const { return impl_->read_figures(); }

}  // namespace throng
