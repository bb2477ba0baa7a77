// SPDX-License-Identifier: Apache-2.0
// A whole node on real threads: CAF's scheduler, the writer and the readers of a SQLite store, and foreign threads that
// ask, tell, subscribe, look, stop and restart while entities commit, read, crash, wake and are passivated. What the
// interleaving is, nobody knows; what must hold whatever it is: every question is answered exactly once, what was
// acknowledged is stored at its position, a stream's publications come in order, and stopping ends it all.
//
// THRONG_TEST_SEED repeats a seed, THRONG_TEST_SECONDS makes it longer.
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include <doctest/doctest.h>

#include "config/log.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "tests/support/ledger_entity.hpp"
#include "tests/support/temporary_folder.hpp"

namespace throng {

namespace {

using namespace test;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t entity_count = 24;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Ends the process if what it watches takes too long: a hang would hide what hangs.
class watchdog {
 public:
  explicit watchdog(seconds limit)
      : thread_([this, limit] {
          std::unique_lock lock(mutex_);
          if (changed_.wait_for(lock, limit, [this] { return is_over_; })) return;
          std::cerr << "the node hangs\n";
          std::abort();
        }) {}
  ~watchdog() {
    {
      std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;
  std::thread thread_;
};

/// Counts questions and their answers; one of them answered twice is a bug that no sum shows.
class question_book {
 public:
  /// What is to be called with the answer.
  template <class T>
  std::function<void(T)> ask(std::function<void(T)> then = {}) {
    asked_.fetch_add(1);
    auto answers = std::make_shared<std::atomic<int>>(0);
    return [this, answers, then = std::move(then)](T value) {
      if (answers->fetch_add(1) > 0) answered_twice_.fetch_add(1);
      if (then) then(std::move(value));
      answered_.fetch_add(1);
    };
  }
  std::uint64_t asked() const { return asked_; }
  std::uint64_t answered() const { return answered_; }
  std::uint64_t answered_twice() const { return answered_twice_; }

 private:
  std::atomic<std::uint64_t> asked_{0}, answered_{0}, answered_twice_{0};
};

/// What the entities have acknowledged: number and text of each event, by stream.
class acknowledgements {
 public:
  void add(std::uint64_t id, seq_t seq, std::string text) {
    std::lock_guard lock(mutex_);
    if (!all_[id].emplace(seq, std::move(text)).second) ++doubled_;
  }
  const std::map<std::uint64_t, std::map<seq_t, std::string>>& all() const { return all_; }
  int doubled() const { return doubled_; }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::map<seq_t, std::string>> all_;
  int doubled_ = 0;
};

/// The sink of publications: within a stream, seq grows.
class publication_watch {
 public:
  void hear(const publication& event) {
    std::lock_guard lock(mutex_);
    ++heard_;
    auto& last = last_[event.stream];
    if (event.seq <= last) ++disordered_;
    last = event.seq;
  }
  int heard() const { return heard_; }
  int disordered() const { return disordered_; }

 private:
  std::mutex mutex_;
  std::unordered_map<entity_key, seq_t> last_;
  int heard_ = 0, disordered_ = 0;
};

/// Crashes are on purpose here, by the thousand.
class silence {
 public:
  silence() : before_(log::detail::threshold.exchange(log_level::off)) {}
  ~silence() { log::detail::threshold = before_; }

 private:
  log_level before_;
};

struct machine {
  explicit machine(node_options options) {
    auto opened = open_sqlite_store(folder.path() / "throng.db");
    if (!opened) FAIL(opened.failure().detail);
    rows = std::move(*opened);
    auto table = std::make_shared<slot_table>(slot_table::single_node(node_index{1}, {}));
    REQUIRE(rows->raise_fences(table->fences_of(node_index{1}), {}).ok());
    commits = make_threaded_commit_queue(*rows, {});
    readers = make_reader_pool(*rows, 2, 10'000);
    running = node::start({node_index{1}, options, std::move(table), system_time(), *commits, *readers, false},
                          ledger::kinds());
    running->door().on_publication([this](const publication_ptr& each) { published.hear(*each); });
  }
  /// As a process does it: the node first, whose entities submit, then what they submit to.
  void stop() {
    running->stop();
    readers->stop();
    commits->stop();
  }

  silence no_logs;
  temporary_folder folder;
  question_book questions;
  acknowledgements acknowledged;
  publication_watch published;
  std::unique_ptr<store> rows;
  std::unique_ptr<commit_queue> commits;
  std::unique_ptr<reader_pool> readers;
  std::unique_ptr<node> running;
};

/// A thread of callers; goes on until it is told to end, whether the node still runs or not.
void call(machine& at, std::uint64_t seed, const std::atomic<bool>& goes_on, std::size_t in_flight_max) {
  std::mt19937_64 random(seed);
  auto in_flight = std::make_shared<std::atomic<std::size_t>>(0);
  auto& door = at.running->door();
  auto& inspect = at.running->inspect();
  std::uint64_t count = 0;
  auto ask = [&](entity_key to, message_ptr request, answer_callback then = {}) {
    in_flight->fetch_add(1);
    const milliseconds timeout(random() % 16 == 0 ? 1 : 5000);
    door.ask_raw(to, std::move(request), timeout,
                 at.questions.ask<result<message_ptr>>([in_flight, then = std::move(then)](result<message_ptr> answer) {
                   if (then) then(std::move(answer));
                   in_flight->fetch_sub(1);
                 }));
  };
  while (goes_on.load()) {
    if (in_flight->load() > in_flight_max) {
      std::this_thread::yield();
      continue;
    }
    const auto id = 1 + random() % entity_count;
    const auto key = ledger_key(id);
    const auto what = random() % 1000;
    if (what < 600) {
      auto text = std::to_string(seed) + "/" + std::to_string(++count);
      ask(key, share(make<BytesValue>(text)), [&at, id, text](result<message_ptr> answer) {
        if (answer) at.acknowledged.add(id, dynamic_cast<const UInt64Value&>(**answer).value(), text);
      });
    } else if (what < 700) {
      ask(key, share(make<FloatValue>(0.0f)));
    } else if (what < 800) {
      ask(key, share(make<DoubleValue>(static_cast<double>(1 + random() % entity_count))));
    } else if (what < 850) {
      door.tell(key, share(make<BytesValue>("told")));
    } else if (what < 900) {
      ask(key, share(make<UInt32Value>(static_cast<std::uint32_t>(random() % 200))));
    } else if (what < 910) {
      ask(key, share(make<BoolValue>(random() % 2 == 0)));
    } else if (what < 940) {
      door.subscribe(key, at.questions.ask<result<>>());
    } else if (what < 950) {
      door.unsubscribe(key);
    } else if (what < 965) {
      inspect.snapshot(key, at.questions.ask<result<message_ptr>>());
    } else if (what < 975) {
      inspect.entities({}, at.questions.ask<std::vector<entity_view>>());
    } else if (what < 980) {
      inspect.slots(at.questions.ask<std::vector<slot_view>>());
      (void)inspect.figures();
    } else if (what < 990) {
      inspect.stop(key, at.questions.ask<result<>>());
    } else if (what < 998) {
      inspect.restart(key, at.questions.ask<result<>>());
    } else {
      inspect.start_trace(std::nullopt, 50, milliseconds(50));
      (void)inspect.read_trace();
    }
  }
}

void check_all(machine& at) {
  CHECK(at.questions.asked() == at.questions.answered());
  CHECK(at.questions.answered_twice() == 0);
  CHECK(at.published.disordered() == 0);
  CHECK(at.acknowledged.doubled() == 0);
  auto reader = at.rows->make_reader();
  std::size_t lost = 0, acknowledged = 0;
  for (const auto& [id, events] : at.acknowledged.all()) {
    auto stored = reader->events_after(ledger_key(id), 0, 10'000'000);
    REQUIRE(stored.ok());
    std::map<seq_t, std::string> by_seq;
    for (auto& each : *stored) by_seq.emplace(each.seq, std::move(each.data));
    CHECK(by_seq.size() == stored->size());
    CHECK((by_seq.empty() || by_seq.rbegin()->first == by_seq.size()));  // no position is a hole
    acknowledged += events.size();
    for (const auto& [seq, text] : events) lost += by_seq[seq] != text;
  }
  CHECK(lost == 0);
  CHECK(acknowledged > 0);
  MESSAGE(acknowledged << " commits acknowledged, " << at.published.heard() << " publications");
}

node_options small_node() {
  node_options options;
  options.threads = 4;
  options.passivate_after = milliseconds(100);
  options.restarts = {20, seconds(1)};
  options.quarantine = milliseconds(100);
  return options;
}

}  // namespace

TEST_CASE("node on real threads: answers, commits and order survive crashes, restarts and a stop in the middle") {
  const auto seed = number_from("THRONG_TEST_SEED", std::random_device{}());
  const auto length = milliseconds(1000 * number_from("THRONG_TEST_SECONDS", 1));
  MESSAGE("THRONG_TEST_SEED=" << seed);
  watchdog guard(std::chrono::duration_cast<seconds>(length) + seconds(40));
  machine at(small_node());
  std::atomic<bool> goes_on{true};
  std::vector<std::thread> callers;
  for (std::uint64_t i = 0; i < 4; ++i) callers.emplace_back([&, i] { call(at, seed + i, goes_on, 64); });
  // A time to run, not a wait for something.
  std::this_thread::sleep_for(length);
  at.stop();  // while they all still call
  std::this_thread::sleep_for(milliseconds(20));
  goes_on = false;
  for (auto& each : callers) each.join();
  at.running.reset();
  check_all(at);
}

TEST_CASE("node on real threads: starting and stopping it under fire, again and again") {
  const auto seed = number_from("THRONG_TEST_SEED", std::random_device{}());
  MESSAGE("THRONG_TEST_SEED=" << seed);
  watchdog guard(seconds(60));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 10; ++round) {
    machine at(small_node());
    std::atomic<bool> goes_on{true};
    std::thread caller([&, from = random()] { call(at, from, goes_on, 1000); });
    std::this_thread::sleep_for(milliseconds(random() % 30));
    at.stop();
    goes_on = false;
    caller.join();
    at.running.reset();
    CHECK(at.questions.asked() == at.questions.answered());
    CHECK(at.questions.answered_twice() == 0);
    CHECK(at.published.disordered() == 0);
  }
}

TEST_CASE("node on real threads: one that others have used can be stopped while they live, by any of them") {
  watchdog guard(seconds(60));
  machine at(small_node());
  at.running->door().tell(ledger_key(1), share(make<BytesValue>("from here")));
  std::mutex mutex;
  std::condition_variable changed;
  bool has_told = false, is_stopped = false;
  std::thread user([&] {
    at.running->door().tell(ledger_key(2), share(make<BytesValue>("from there")));
    std::unique_lock lock(mutex);
    has_told = true;
    changed.notify_all();
    changed.wait(lock, [&] { return is_stopped; });
  });
  std::thread stopper([&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return has_told; });
    lock.unlock();
    at.stop();
    lock.lock();
    is_stopped = true;
    changed.notify_all();
  });
  stopper.join();
  user.join();
  CHECK(at.running->inspect().figures().tells == 2);
}

}  // namespace throng
