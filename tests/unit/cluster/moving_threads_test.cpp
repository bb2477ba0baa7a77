// SPDX-License-Identifier: Apache-2.0
// Two nodes on real threads, with a SQLite store and links of one thread each, between which slots move while foreign
// threads append to their ledgers and note in their memory. Nothing may fail, be lost, doubled or overtaken. It says
// how long a ledger was silent when it moved. THRONG_TEST_MOVES makes it longer.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include "cluster/link/links.hpp"
#include "storage/fence_threads.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "tests/support/ledger_entity.hpp"
#include "tests/support/temporary_folder.hpp"

namespace throng {

namespace {

using namespace test;
using namespace std::chrono_literals;

constexpr std::uint64_t ledgers = 8;

/// The parcels of one node, in order.
class thread_link final : public links {
 public:
  thread_link(node_index self) : self_(self) {}
  ~thread_link() override { thread_link::stop(); }
  void connect(thread_link& other) { other_ = &other; }

  void listen(events to) override {
    events_ = std::move(to);
    thread_ = std::thread([this] { deliver(); });
  }
  void set_peers(std::vector<node_identity>) override {}
  bool post(node_index, std::string parcel) override {
    {
      std::lock_guard lock(other_->mutex_);
      other_->parcels_.push_back(std::move(parcel));
    }
    other_->has_work_.notify_one();
    return true;
  }
  std::vector<view> views() const override { return {}; }
  void stop() override {
    {
      std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    has_work_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void deliver() {
    std::unique_lock lock(mutex_);
    while (true) {
      has_work_.wait(lock, [this] { return is_stopping_ || !parcels_.empty(); });
      if (is_stopping_) return;
      auto bytes = std::move(parcels_.front());
      parcels_.pop_front();
      lock.unlock();
      events_.on_parcel(other_->self_, bytes);
      lock.lock();
    }
  }

  const node_index self_;
  thread_link* other_ = nullptr;
  events events_;
  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<std::string> parcels_;
  bool is_stopping_ = false;
  std::thread thread_;
};

/// Both nodes use one store; each has its own threads.
struct machine {
  machine(node_index self, store& rows)
      : between(self), fences(rows, {self.value}, [](slot_id) { return std::string("all"); }) {
    commits = make_threaded_commit_queue(rows, {});
    readers = make_reader_pool(rows, 2, 10'000);
    node_options options;
    options.threads = 2;
    node::parts parts{self, options, nullptr, system_time(), *commits, *readers, false};
    parts.between = &between;
    parts.raise_fences = [this](std::vector<fence> guards, const auto& told) { fences.raise(std::move(guards), told); };
    runs = node::start(std::move(parts), ledger::kinds());
  }
  void stop() {
    runs->stop();
    fences.stop();
    between.stop();
    readers->stop();
    commits->stop();
  }

  thread_link between;
  fence_threads fences;
  std::unique_ptr<commit_queue> commits;
  std::unique_ptr<reader_pool> readers;
  std::unique_ptr<node> runs;
};

/// Asks one ledger, one thing after another, and keeps when the answers came.
class caller {
 public:
  caller(node& at, std::uint64_t id) : at_(at), id_(id), thread_([this] { run(); }) {}
  void stop() {
    goes_on_ = false;
    thread_.join();
  }

  std::uint64_t id() const { return id_; }
  int appended = 0, noted = 0, failed = 0;
  std::string why;
  std::vector<steady_time> answers;

 private:
  template <class Request>
  void ask(Request request, int& count) {
    auto answered = std::make_shared<std::promise<result<message_ptr>>>();
    at_.door().ask_raw(ledger_key(id_), share(std::move(request)), 20s,
                       [answered](result<message_ptr> answer) { answered->set_value(std::move(answer)); });
    const auto answer = answered->get_future().get();
    if (answer)
      ++count;
    else
      ++failed, why = std::string(to_string(answer.code())) + " " + answer.failure().detail;
    answers.push_back(system_time().now());
  }
  void run() {
    while (goes_on_.load()) {
      ask(make<BytesValue>(std::to_string(appended)), appended);
      if (noted < 200) ask(make<StringValue>(std::to_string(noted)), noted);
    }
  }

  node& at_;
  const std::uint64_t id_;
  std::atomic<bool> goes_on_{true};
  std::thread thread_;
};

double ms(steady_time::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

}  // namespace

TEST_CASE("two nodes on real threads: busy entities move back and forth, nothing fails and memory goes along") {
  const char* asked_for = std::getenv("THRONG_TEST_MOVES");
  const int moves = asked_for ? std::atoi(asked_for) : 20;
  temporary_folder folder;
  auto opened = open_sqlite_store(folder.path() / "throng.db");
  REQUIRE(opened.ok());
  const auto rows = std::move(*opened);
  const std::vector<node_identity> members{{{1}, 1, "n1", {}, {}, {}}, {{2}, 1, "n2", {}, {}, {}}};

  machine one({1}, *rows), two({2}, *rows);
  one.between.connect(two.between);
  two.between.connect(one.between);
  std::set<slot_id> slots;
  for (std::uint64_t id = 1; id <= ledgers; ++id) slots.insert(slot_of(ledger_key(id)));
  std::vector<slot_move> begin;
  for (auto slot : slots) begin.push_back({slot, {}, {1}});
  auto table = slot_table{}.after(begin);
  const auto tell = [&] {
    two.runs->apply(table, members);
    one.runs->apply(table, members);
  };
  const auto settle = [&] {
    const auto deadline = system_time().now() + 30s;
    while (one.runs->placed().moving_slots + two.runs->placed().moving_slots > 0) {
      REQUIRE(system_time().now() < deadline);
      std::this_thread::yield();
    }
  };
  tell();
  settle();

  std::vector<std::unique_ptr<caller>> callers;
  for (std::uint64_t id = 1; id <= ledgers; ++id)
    callers.push_back(std::make_unique<caller>(id % 2 ? *one.runs : *two.runs, id));
  std::vector<steady_time> moved;
  for (int i = 0; i < moves; ++i) {
    std::vector<slot_move> all;
    const node_index from{static_cast<std::uint16_t>(1 + i % 2)}, to{static_cast<std::uint16_t>(2 - i % 2)};
    for (auto slot : slots) all.push_back({slot, from, to});
    table = table.after(all);
    moved.push_back(system_time().now());
    tell();
    settle();
  }
  for (auto& each : callers) each->stop();

  std::vector<double> pauses;
  for (auto& each : callers) {
    CAPTURE(each->why);
    CHECK(each->failed == 0);
    CHECK(each->appended > 0);
    for (auto when : moved) {  // until the first answer, or between the two answers around it
      const auto after = std::ranges::upper_bound(each->answers, when);
      const auto next = after == each->answers.end() ? after : std::next(after);
      if (next != each->answers.end()) pauses.push_back(std::max(ms(*after - when), ms(*next - *after)));
    }
    auto notes = std::make_shared<std::promise<std::string>>();
    one.runs->door().ask_raw(ledger_key(each->id()), share(make<StringValue>("")), 20s, [notes](auto answer) {
      notes->set_value(answer ? dynamic_cast<const StringValue&>(**answer).value() : "failed");
    });
    std::string expected;
    for (int i = 0; i < each->noted; ++i) expected += (i ? "|" : "") + std::to_string(i);
    CHECK(notes->get_future().get() == expected);
    const auto stored = rows->make_reader()->events_after(ledger_key(each->id()), 0, 1'000'000);
    REQUIRE(stored.ok());
    REQUIRE(stored->size() == static_cast<std::size_t>(each->appended));
    for (std::size_t i = 0; i < stored->size(); ++i) CHECK((*stored)[i].data == std::to_string(i));
  }
  std::ranges::sort(pauses);
  if (!pauses.empty())
    MESSAGE(moves << " moves of " << slots.size() << " slots, silent for p50 " << pauses[pauses.size() / 2]
                  << " ms, p99 " << pauses[pauses.size() * 99 / 100] << " ms, at most " << pauses.back() << " ms");
  one.stop();
  two.stop();
}

}  // namespace throng
