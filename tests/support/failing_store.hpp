// SPDX-License-Identifier: Apache-2.0
// A store whose Nth commit or read fails, for tests of what others do then. It passes everything else on to a real one.
// Failures may be planned from any thread; a planned commit fails before the real store sees it.
#pragma once

#include <mutex>
#include <utility>

#include "storage/store.hpp"

namespace throng {

/// Which calls fail: `count` of them, starting with the `first`th from now (1 is the next one).
class failure_plan {
 public:
  void fail(std::uint64_t first, std::uint64_t count = 1, error why = {errc::service_unavailable, "planned"}) {
    std::lock_guard lock(mutex_);
    first_ = calls_ + first;
    count_ = count;
    why_ = std::move(why);
  }
  /// Counts a call; its error if it is one of those.
  std::optional<error> next() {
    std::lock_guard lock(mutex_);
    ++calls_;
    if (calls_ < first_ || calls_ - first_ >= count_) return std::nullopt;
    return why_;
  }
  std::uint64_t calls() const {
    std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t calls_ = 0, first_ = 0, count_ = 0;
  error why_;
};

class failing_reader final : public store_reader {
 public:
  failing_reader(std::unique_ptr<store_reader> real, failure_plan& reads) : real_(std::move(real)), reads_(reads) {}

#define THRONG_OR_FAIL(call)                              \
  {                                                       \
    if (auto why = reads_.next()) return std::move(*why); \
    return real_->call;                                   \
  }
  template <class T>
  using list = result<std::vector<T>>;

  result<workspace_record> workspace(team_id id) override THRONG_OR_FAIL(workspace(id));
  result<workspace_record> workspace_by_domain(std::string_view domain) override
      THRONG_OR_FAIL(workspace_by_domain(domain));
  list<workspace_record> workspaces(team_id after, std::size_t n) override THRONG_OR_FAIL(workspaces(after, n));
  list<directory_record> directory(team_id team, directory_record::kind_t kind, std::uint64_t after,
                                   std::size_t n) override THRONG_OR_FAIL(directory(team, kind, after, n));
  result<user_record> user(user_id id) override THRONG_OR_FAIL(user(id));
  list<membership_record> memberships(user_id user, channel_id after, std::size_t n) override
      THRONG_OR_FAIL(memberships(user, after, n));
  result<channel_record> channel(channel_id id) override THRONG_OR_FAIL(channel(id));
  list<member_record> members(channel_id channel, user_id after, std::size_t n) override
      THRONG_OR_FAIL(members(channel, after, n));
  list<message_record> messages(channel_id channel, const message_range& range) override
      THRONG_OR_FAIL(messages(channel, range));
  result<message_record> message(channel_id channel, message_ts ts) override THRONG_OR_FAIL(message(channel, ts));
  list<message_record> replies(channel_id channel, message_ts root, const message_range& range) override
      THRONG_OR_FAIL(replies(channel, root, range));
  list<thread_summary> thread_summaries(channel_id channel, std::span<const message_ts> roots) override
      THRONG_OR_FAIL(thread_summaries(channel, roots));
  result<stream_end> end_of(entity_key stream) override THRONG_OR_FAIL(end_of(stream));
  list<message_record> messages_after(channel_id channel, seq_t after, std::size_t n) override
      THRONG_OR_FAIL(messages_after(channel, after, n));
  list<event_record> events_after(entity_key stream, seq_t after, std::size_t n) override
      THRONG_OR_FAIL(events_after(stream, after, n));
  result<token_record> token(const token_hash& hash) override THRONG_OR_FAIL(token(hash));
  list<token_record> tokens_of(user_id user, std::size_t n) override THRONG_OR_FAIL(tokens_of(user, n));
  result<app_record> app(app_id id) override THRONG_OR_FAIL(app(id));
#undef THRONG_OR_FAIL

 private:
  std::unique_ptr<store_reader> real_;
  failure_plan& reads_;
};

class failing_store final : public store {
 public:
  explicit failing_store(store& real) : real_(real) {}

  failure_plan commits;  // raise_fence(s) are passed on
  failure_plan reads;    // of all readers together

  result<std::vector<result<>>> commit(std::span<const commit_unit> units) override {
    if (auto why = commits.next()) return std::move(*why);
    return real_.commit(units);
  }
  result<> raise_fences(std::span<const fence> guards, fence_holder by) override {
    return real_.raise_fences(guards, by);
  }
  result<std::vector<fence>> fences() override { return real_.fences(); }
  std::unique_ptr<store_reader> make_reader() override {
    return std::make_unique<failing_reader>(real_.make_reader(), reads);
  }

 private:
  store& real_;
};

}  // namespace throng
