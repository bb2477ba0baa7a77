// SPDX-License-Identifier: Apache-2.0
#include "net/admin/audit_log.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <future>
#include <unistd.h>

#include "config/log.hpp"
#include "storage/json/json.hpp"

namespace throng {

namespace {

constexpr std::string_view under_way = "under way";
constexpr std::string_view never_told = "the node ended before it was done";

std::int64_t micros(wall_time at) { return at.time_since_epoch().count(); }

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return ::fdatasync(file) == 0;
}

}  // namespace

std::string to_json(const audit_record& record) {
  std::string text;
  json_writer(text)
      .begin_object()
      .member("number", record.number)
      .member("at_us", micros(record.at))
      .member("who", record.who)
      .member("from", record.from)
      .member("line", record.line)
      .member("outcome", record.outcome)
      .end_object();
  return text;
}

result<audit_record> parse_audit_record(std::string_view line) {
  auto document = parse_json(line);
  if (!document) return document.failure();
  const auto root = document->root();
  const auto number = root.find("number").as_int(), at = root.find("at_us").as_int();
  if (!number || !at || *number < 0) return error{errc::invalid_json, "not a record of the audit"};
  audit_record record;
  record.number = static_cast<std::uint64_t>(*number);
  record.at = wall_time(std::chrono::microseconds(*at));
  record.who = root.find("who").as_string().value_or("");
  record.from = root.find("from").as_string().value_or("");
  record.line = root.find("line").as_string().value_or("");
  record.outcome = root.find("outcome").as_string().value_or("");
  return record;
}

audit_log::audit_log(std::string path) : path_(std::move(path)) {
  if (!path_.empty()) load();
}

void audit_log::load() {
  std::ifstream file(path_);
  std::size_t damaged = 0;
  for (std::string line; std::getline(file, line); ++lines_in_file_) {
    auto record = parse_audit_record(line);
    if (!record) {
      ++damaged;  // the last one, when the machine went down
      continue;
    }
    next_ = std::max(next_, record->number + 1);
    const auto known = std::ranges::find(records_, record->number, &audit_record::number);
    if (known != records_.end())
      *known = std::move(*record);
    else
      records_.push_back(std::move(*record));
    if (records_.size() > records_max) records_.pop_front();
  }
  for (auto& each : records_)
    if (each.outcome == under_way) each.outcome = never_told;
  if (damaged > 0) lines_in_file_ = 4 * records_max;  // the next line makes a new file: this one may end in the middle
  if (damaged > 0) log::warn("the audit in {} has {} lines that can't be read", path_, damaged);
}

std::uint64_t audit_log::begin(wall_time now, std::string who, std::string from, std::string line) {
  std::lock_guard lock(mutex_);
  records_.push_back({next_++, now, std::move(who), std::move(from), std::move(line), std::string(under_way)});
  if (records_.size() > records_max) records_.pop_front();
  write(records_.back());
  return records_.back().number;
}

void audit_log::end(std::uint64_t number, std::string outcome) {
  if (outcome.size() > outcome_bytes_max) outcome = outcome.substr(0, outcome_bytes_max) + "…";
  std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(records_, number, &audit_record::number);
  if (found == records_.end()) return;
  found->outcome = std::move(outcome);
  write(*found);
}

/// REQUIRES: the lock. Every so often the file is written anew, with what is still kept.
void audit_log::write(const audit_record& record) {
  if (path_.empty()) return;
  std::string lines;
  const bool replaces = ++lines_in_file_ > 4 * records_max;
  if (replaces) {
    for (const auto& each : records_) lines += to_json(each) + "\n";
    lines_in_file_ = records_.size();
  } else {
    lines = to_json(record) + "\n";
  }
  if (!writer_.submit([this, lines = std::move(lines), replaces] { append(lines, replaces); }))
    log::error("the audit could not be written down: {}", record.line);
}

void audit_log::append(const std::string& lines, bool replaces) {
  const auto beside = path_ + ".new";
  const auto& path = replaces ? beside : path_;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (replaces ? O_TRUNC : O_APPEND), 0600);
  bool is_fine = file >= 0 && write_all(file, lines);
  auto why = errno;
  if (file >= 0) ::close(file);
  if (is_fine && replaces) {
    is_fine = ::rename(beside.c_str(), path_.c_str()) == 0;
    why = errno;
  }
  if (std::exchange(is_failing_, !is_fine) == is_failing_) return;
  if (is_fine)
    log::info("the audit is written to {} again", path_);
  else
    log::error("the audit can't be written to {}: {}", path_, std::strerror(why));
}

std::vector<audit_record> audit_log::newest(std::size_t count) const {
  std::lock_guard lock(mutex_);
  return {records_.rbegin(), records_.rbegin() + static_cast<std::ptrdiff_t>(std::min(count, records_.size()))};
}

void audit_log::flush() {
  std::promise<void> written;
  auto is_written = written.get_future();
  if (writer_.submit([&] { written.set_value(); })) is_written.wait();
}

}  // namespace throng
