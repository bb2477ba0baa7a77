// SPDX-License-Identifier: Apache-2.0
// SIM NODE: a whole node, entities and store, in one thread on a virtual clock. Nothing happens but in settle() and
// advance(), and the same calls give the same run.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>

#include "cluster/node.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "tests/support/failing_store.hpp"

namespace throng::test {

/// Starts at 2026-01-01 00:00:00 UTC.
class virtual_time final : public time_source {
 public:
  steady_time now() const override { return now_; }
  wall_time wall() const override { return wall_; }
  void advance(duration by) {
    now_ += by;
    wall_ += std::chrono::duration_cast<std::chrono::microseconds>(by);
  }

 private:
  steady_time now_{std::chrono::hours(1)};
  wall_time wall_{std::chrono::seconds(1'767'225'600)};
};

/// A folder that goes away with it. In memory where that can be had: no power is lost here, and syncs take their time.
class temporary_folder {
 public:
  temporary_folder() {
    static int count = 0;
    const std::filesystem::path memory = "/dev/shm";
    path_ = (::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path()) /
            ("throng-sim-" + std::to_string(::getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(path_);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Runs jobs when settle() comes by: the executor of a test that asks from outside the entities.
class job_list final : public executor {
 public:
  void post(std::function<void()> job) override { jobs_.push_back(std::move(job)); }
  bool run() {
    auto now = std::exchange(jobs_, {});
    for (auto& each : now) each();
    return !now.empty();
  }

 private:
  std::vector<std::function<void()>> jobs_;
};

class sim_node {
 public:
  explicit sim_node(node::kinds placed, node_options options = {}) : kinds_(std::move(placed)), options_(options) {
    start();
  }
  ~sim_node() { stop(); }

  region& door() { return node_->door(); }
  inspection& inspect() { return node_->inspect(); }
  virtual_time& clock() { return clock_; }
  /// The real store, and the faults that can be planned between it and the node.
  store& rows() { return *store_; }
  failing_store& faults() { return *faults_; }
  executor_ptr jobs() { return jobs_; }
  /// What was published on this node, oldest first.
  std::vector<publication_ptr>& published() { return published_; }
  /// Why the node gave up, each time.
  const std::vector<std::string>& broken() const { return broken_; }

  /// Handles everything that is there and follows from it: messages, commits, reads, jobs. No time passes.
  void settle() {
    for (bool moved = true; moved;) {
      moved = node_->run() > 0;
      while (!holds_commits_ && commits_->pump() > 0) moved = true;
      while (readers_->pump()) moved = true;
      if (jobs_->run()) moved = true;
    }
  }
  /// Time passes in steps of 100 ms (a real node's tick), with everything that it causes.
  void advance(duration by) {
    settle();
    for (duration passed{}; passed < by; passed += std::chrono::milliseconds(100)) {
      clock_.advance(std::min<duration>(std::chrono::milliseconds(100), by - passed));
      node_->tick();
      settle();
    }
  }
  /// While true, what is submitted waits in the commit queue.
  void hold_commits(bool hold) { holds_commits_ = hold; }

  /// Asks, settles and takes the answer. An ask that is not answered by then (commits held) fails the caller's check.
  template <class Request>
  result<std::shared_ptr<const reply_of_t<Request>>> ask(entity_key to, Request request,
                                                         duration timeout = std::chrono::seconds(5)) {
    result<std::shared_ptr<const reply_of_t<Request>>> answer{error{errc::internal_error, "not answered"}};
    throng::spawn(keep(to, std::move(request), timeout, &answer));
    settle();
    return answer;
  }
  /// The same for what must go well: throws the error.
  template <class Request>
  reply_of_t<Request> must(entity_key to, Request request) {
    auto answer = ask(to, std::move(request));
    if (!answer) throw std::runtime_error(std::string(to_string(answer.code())) + " " + answer.failure().detail);
    return **answer;
  }
  /// As ask() without settling: `*into` is set when the answer comes. It must live as long as this node.
  template <class Request>
  void ask_later(entity_key to, Request request, result<std::shared_ptr<const reply_of_t<Request>>>* into,
                 duration timeout = std::chrono::seconds(5)) {
    throng::spawn(keep(to, std::move(request), timeout, into));
  }

  /// Stops the node; its door and its inspection still answer.
  void stop_node() { node_->stop(); }
  /// As after kill −9: what was not committed is gone. The clock goes on.
  void crash_and_restart() {
    stop();
    start();
  }

 private:
  template <class Request>
  task<void> keep(entity_key to, Request request, duration timeout,
                  result<std::shared_ptr<const reply_of_t<Request>>>* into) {
    *into = co_await door().ask(jobs_, to, std::move(request), timeout);
  }

  void start() {
    auto opened = open_sqlite_store((folder_.path() / "throng.db").string(), {});
    if (!opened) throw std::runtime_error(opened.failure().detail);
    store_ = std::move(*opened);
    faults_ = std::make_unique<failing_store>(*store_);
    auto known = store_->fences();
    if (!known) throw std::runtime_error(known.failure().detail);
    auto table = std::make_shared<slot_table>(slot_table::single_node(node_index{1}, *known));
    if (auto raised = store_->raise_fences(table->fences_of(node_index{1}), {}); !raised)
      throw std::runtime_error(raised.failure().detail);
    commits_ = make_manual_commit_queue(*faults_, {});
    readers_ = make_manual_reader_pool(*faults_, 10'000);
    jobs_ = std::make_shared<job_list>();
    node::parts parts{node_index{1}, options_, std::move(table), clock_, *commits_, *readers_, true};
    parts.on_broken = [this](std::string why) { broken_.push_back(std::move(why)); };
    node_ = node::start(std::move(parts), kinds_);
    node_->door().on_publication([this](const publication_ptr& each) { published_.push_back(each); });
  }
  void stop() {
    if (!node_) return;
    node_->stop();
    node_.reset();
    jobs_.reset();
    readers_.reset();
    commits_.reset();
    faults_.reset();
    store_.reset();
  }

  node::kinds kinds_;
  node_options options_;
  temporary_folder folder_;
  virtual_time clock_;
  std::unique_ptr<store> store_;
  std::unique_ptr<failing_store> faults_;
  std::unique_ptr<manual_commit_queue> commits_;
  std::unique_ptr<manual_reader_pool> readers_;
  std::shared_ptr<job_list> jobs_;
  std::unique_ptr<node> node_;
  std::vector<publication_ptr> published_;
  std::vector<std::string> broken_;
  bool holds_commits_ = false;
};

}  // namespace throng::test
