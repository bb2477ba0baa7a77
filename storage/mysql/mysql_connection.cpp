// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/mysql_connection.hpp"

#include <cppconn/driver.h>
#include <cppconn/exception.h>
#include <cppconn/prepared_statement.h>
#include <cppconn/resultset.h>
#include <cppconn/statement.h>
#include <map>
#include <mysql_connection.h>
#include <mysql_driver.h>
#include <utility>

#include "storage/model/assert.hpp"
#include "storage/mysql/statement_shape.hpp"
#include "storage/statement_tap.hpp"

namespace throng::mysql {

namespace {

/// Calls the connector; what it throws becomes a failure.
template <class Call>
auto told(Call call) {
  try {
    return call();
  } catch (const sql::SQLException& why) {
    throw failure(why.getErrorCode(), why.what());
  }
}

/// Tells the tap of one statement when its answer is there, also when that is a failure.
class tapped_statement {
 public:
  tapped_statement(const std::string& shard, std::string_view sql, bool is_shape, unsigned trips = 1)
      : shard_(shard), sql_(sql), is_shape_(is_shape), trips_(trips) {}
  ~tapped_statement() {
    if (shard_.empty()) return;  // supervision and tools: not what calls ask of the store
    auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - since_);
    auto& tap = statement_tap::instance();
    if (is_shape_ || !tap.is_recording())
      tap.record(shard_, sql_, rows_, took, trips_);
    else
      tap.record(shard_, shape_of(sql_), rows_, took, trips_);
  }
  tapped_statement(const tapped_statement&) = delete;
  tapped_statement& operator=(const tapped_statement&) = delete;

  std::uint64_t brought(std::uint64_t rows) { return rows_ = rows; }

 private:
  const std::string& shard_;
  std::string_view sql_;
  bool is_shape_;
  unsigned trips_;
  std::uint64_t rows_ = 0;
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
};

constexpr std::uint64_t row_overhead_bytes = 4096;  // of a packet, beside its values: more than it takes

void check_size(std::uint64_t bytes, std::uint64_t bytes_max) {
  if (bytes + row_overhead_bytes > bytes_max)
    throw failure(1153, "a statement of " + std::to_string(bytes) +
                            " bytes is larger than the server's max_allowed_packet, " + std::to_string(bytes_max));
}

std::string taken(sql::SQLString value) { return std::move(*value.operator->()); }
sql::SQLString given(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

std::unique_ptr<sql::Connection> connect(std::string_view server, const connect_options& options) {
  // STRICT_ALL_TABLES: a value that doesn't fit is an error, and is never cut. The lock wait is short because the
  // waiter has a thread, and somebody behind it in a queue.
  std::string session =
      "SET autocommit=1, sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout=2";
  if (const auto idle_s = options.idle_transaction_max.count(); idle_s > 0) {
    const auto stall_s = std::to_string(options.io_timeout.count());  // in the middle of a packet, either way
    session += ", net_read_timeout=" + stall_s + ", net_write_timeout=" + stall_s;
    session += "/*M!100300, idle_transaction_timeout=" + std::to_string(idle_s) + "*/";  // MySQL has none
  }
  auto is_socket = server.starts_with('/');
  std::map<sql::SQLString, sql::ConnectPropertyVal> properties;
  properties["hostName"] = given((is_socket ? "unix://" : "tcp://") + std::string(server));
  properties["userName"] = sql::SQLString(options.user);
  properties["password"] = sql::SQLString(options.password);
  if (!options.database.empty()) properties["schema"] = sql::SQLString(options.database);
  properties["OPT_CONNECT_TIMEOUT"] = static_cast<int>(options.connect_timeout.count());
  properties["OPT_READ_TIMEOUT"] = static_cast<int>(options.io_timeout.count());
  properties["OPT_WRITE_TIMEOUT"] = static_cast<int>(options.io_timeout.count());
  properties["OPT_CHARSET_NAME"] = sql::SQLString("utf8mb4");
  if (options.sends_packets) properties["CLIENT_MULTI_STATEMENTS"] = true;
  properties["OPT_LOCAL_INFILE"] = 0;  // a server must not be able to ask for our files
  std::unique_ptr<sql::Connection> made(sql::mysql::get_driver_instance()->connect(properties));
  std::unique_ptr<sql::Statement> set(made->createStatement());
  set->execute(given(session));
  // By statement, since the variable's name differs between MySQL and MariaDB.
  set->execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
  return made;
}

}  // namespace

void initialize_driver() {
  told([] { return sql::mysql::get_driver_instance(); });
}

// -- connection ------------------------------------------------------------------------------------------------------

// Shared with its statements and rows: the connector crashes if a connection goes before them.
class connection::impl {
 public:
  std::shared_ptr<sql::Connection> link;
  std::uint64_t bytes_max = 1 << 20;  // until the server has said its own
};

connection::connection(std::string_view server, const connect_options& options, std::string shard)
    : shard_(std::move(shard)), sends_packets_(options.sends_packets), state_(std::make_unique<impl>()) {
  tapped_statement told_of(shard_, "CONNECT", true);
  told([&] { state_->link = connect(server, options); });
  state_->bytes_max = number("SELECT @@max_allowed_packet");
}

connection::~connection() = default;

std::uint64_t connection::statement_bytes_max() const { return state_->bytes_max; }

std::uint64_t connection::run(std::string_view sql) {
  check_size(sql.size(), state_->bytes_max);
  tapped_statement told_of(shard_, sql, false);
  return told([&] {
    std::unique_ptr<sql::Statement> one(state_->link->createStatement());
    if (one->execute(given(sql))) {  // a result nobody wants, but it must be read: the next statement would fail
      std::unique_ptr<sql::ResultSet> unwanted(one->getResultSet());
      return std::uint64_t{0};
    }
    return told_of.brought(one->getUpdateCount());
  });
}

void connection::run_all(std::span<const std::string> statements, std::size_t& through) {
  THRONG_ASSERT(sends_packets_ && !statements.empty());
  std::string packet;
  for (const auto& each : statements) {
    if (!packet.empty()) packet += ';';
    packet += each;
  }
  check_size(packet.size(), state_->bytes_max);
  through = 0;
  std::unique_ptr<sql::Statement> all;
  for (const auto& each : statements) {
    tapped_statement told_of(shard_, each, false, through == 0 ? 1 : 0);
    told([&] {
      // The server ends its replies with the first failure, which throws here: exactly so many more are to come.
      if (all) {
        all->getMoreResults();
      } else {
        all.reset(state_->link->createStatement());
        all->execute(given(packet));
      }
      told_of.brought(all->getUpdateCount());
    });
    ++through;
  }
}

std::uint64_t connection::number(std::string_view sql) {
  auto found = query(sql);
  return found.next() ? found.unsigned_number() : 0;
}

std::string connection::words(std::string_view sql) {
  auto found = query(sql);
  return found.next() ? found.bytes() : std::string();
}

std::string connection::quoted(std::string_view bytes) {
  return told([&] {
    auto& link = static_cast<sql::mysql::MySQL_Connection&>(*state_->link);
    return '\'' + link.escapeString(given(bytes)).asStdString() + '\'';
  });
}

bool connection::ping() noexcept {
  try {
    tapped_statement told_of(shard_, "PING", true);
    return state_->link->isValid();
  } catch (const std::exception&) {
    return false;  // the answer, whatever the reason
  }
}

// -- rows ------------------------------------------------------------------------------------------------------------

// Members go in the reverse of this order, the only one that the connector stands.
class rows::impl {
 public:
  std::shared_ptr<sql::Connection> link;
  std::shared_ptr<sql::Statement> text;  // one of the two
  std::shared_ptr<sql::PreparedStatement> made;
  std::unique_ptr<sql::ResultSet> found;
  std::uint32_t column = 0;
};

rows::rows(std::unique_ptr<impl> state) : state_(std::move(state)) {}
rows::rows(rows&&) noexcept = default;
rows::~rows() = default;

bool rows::next() {
  state_->column = 0;
  return told([&] { return state_->found->next(); });
}

bool rows::is_null() {
  return told([&] { return state_->found->isNull(state_->column + 1); });
}

std::int64_t rows::number() {
  return told([&] { return state_->found->getInt64(++state_->column); });
}

std::uint64_t rows::unsigned_number() {
  return told([&] { return state_->found->getUInt64(++state_->column); });
}

std::string rows::bytes() {
  return told([&] { return taken(state_->found->getString(++state_->column)); });
}

std::string rows::by_name(std::string_view column) {
  return told([&] {
    auto index = state_->found->findColumn(given(column));
    return index == 0 ? std::string() : taken(state_->found->getString(index));
  });
}

std::size_t rows::count() const {
  return told([&] { return state_->found->rowsCount(); });
}

rows connection::query(std::string_view sql) {
  check_size(sql.size(), state_->bytes_max);
  tapped_statement told_of(shard_, sql, false);
  return told([&] {
    auto state = std::make_unique<rows::impl>();
    state->link = state_->link;
    state->text.reset(state_->link->createStatement());
    state->found.reset(state->text->executeQuery(given(sql)));
    told_of.brought(state->found->rowsCount());
    return rows(std::move(state));
  });
}

// -- statement -------------------------------------------------------------------------------------------------------

class statement::impl {
 public:
  std::string shard;
  std::string shape;
  std::uint64_t bytes_max;
  std::shared_ptr<sql::Connection> link;
  std::shared_ptr<sql::PreparedStatement> made;
  std::uint64_t bytes = 0;  // of the values that are bound, about

  void count(int index, std::uint64_t bytes_more) { bytes = (index == 1 ? 0 : bytes) + bytes_more; }
};

statement::statement(connection& on, std::string_view sql)
    : state_(new impl{on.shard(), shape_of(sql), on.statement_bytes_max(), on.state().link, nullptr}) {
  check_size(sql.size(), state_->bytes_max);
  auto preparing = "PREPARE " + state_->shape;
  tapped_statement told_of(state_->shard, preparing, true);
  told([&] { state_->made.reset(state_->link->prepareStatement(given(sql))); });
}

statement::~statement() = default;
statement::statement(statement&&) noexcept = default;

void statement::bind_signed(int index, std::int64_t value) {
  state_->count(index, sizeof value);
  told([&] { state_->made->setInt64(static_cast<unsigned>(index), value); });
}

void statement::bind_unsigned(int index, std::uint64_t value) {
  state_->count(index, sizeof value);
  told([&] { state_->made->setUInt64(static_cast<unsigned>(index), value); });
}

// setString, not setBlob: a stream that was read once would silently send NULL the next time.
void statement::bind(int index, text value) {
  state_->count(index, value.value.size());
  told([&] { state_->made->setString(static_cast<unsigned>(index), given(value.value)); });
}

void statement::bind(int index, blob value) { bind(index, text{value.value}); }

rows statement::fetch() {
  check_size(state_->bytes, state_->bytes_max);
  tapped_statement told_of(state_->shard, state_->shape, true);
  return told([&] {
    auto state = std::make_unique<rows::impl>();
    state->link = state_->link;
    state->made = state_->made;
    state->found.reset(state_->made->executeQuery());
    told_of.brought(state->found->rowsCount());
    return rows(std::move(state));
  });
}

std::uint64_t statement::finish() {
  check_size(state_->bytes, state_->bytes_max);
  tapped_statement told_of(state_->shard, state_->shape, true);
  return told([&] { return told_of.brought(static_cast<std::uint64_t>(state_->made->executeUpdate())); });
}

}  // namespace throng::mysql
