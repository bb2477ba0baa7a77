// SPDX-License-Identifier: Apache-2.0
// Resharding on bad days: the runner dies at every step, the primaries die under it.
#include <mutex>

#include "tests/cluster/storage/reshard_fixture.hpp"

using namespace throng;

namespace {

using std::chrono::seconds;

/// Takes a reshard through its goals. The runner dies the first time that it comes to a step on its way to a goal, so
/// at each step once, also at the steps of resume() itself; then another one takes it up.
class dying_runner {
 public:
  explicit dying_runner(reshard_fixture& shards) : shards_(shards) { replace(); }

  void go(const std::string& sources, const std::string& targets, const std::vector<reshard_phase>& goals) {
    for (const auto goal : goals) {
      {
        std::lock_guard lock(mutex_);
        ++goal_;
      }
      const auto is_there = comes_true([&] { return has_reached(goal, sources, targets); }, seconds(60));
      REQUIRE_MESSAGE(is_there, to_string(goal) << " isn't reached: " << to_text(runner_->status()));
    }
  }
  std::size_t deaths() const { return deaths_; }
  std::set<std::string> steps() {
    std::lock_guard lock(mutex_);
    std::set<std::string> names;
    for (const auto& [goal, step] : seen_) names.insert(step);
    return names;
  }

 private:
  bool has_reached(reshard_phase goal, const std::string& sources, const std::string& targets) {
    using enum reshard_phase;
    REQUIRE(runner_->wait_idle(seconds(60)));
    const auto now = runner_->status();
    if (now.trouble == simulated_crash().what()) {
      ++deaths_;
      replace();
      REQUIRE(runner_->resume());
      return false;
    }
    REQUIRE_MESSAGE(now.trouble.empty(), to_text(now));
    const auto phase = now.record ? now.record->phase : cancelled;
    if (phase == goal) return true;
    auto begun = result<>(done);
    if (is_over(phase))
      begun = runner_->start(sources, targets);
    else if (goal == switched && phase == running)
      begun = runner_->switch_writes();
    else if (goal == running && phase == switched)
      begun = runner_->reverse();
    else if (goal == completed && phase == switched)
      begun = runner_->complete(true);
    else if (goal == cancelled && phase == running)
      begun = runner_->cancel();
    (void)begun;  // it may have died just now: the next look tells
    return false;
  }

  void replace() {
    runner_.reset();
    runner_ = shards_.make_runner([this](std::string_view step) {
      std::lock_guard lock(mutex_);
      if (seen_.emplace(goal_, step).second) throw simulated_crash();
    });
  }

  reshard_fixture& shards_;
  std::mutex mutex_;
  int goal_ = 0;
  std::set<std::pair<int, std::string>> seen_;
  std::size_t deaths_ = 0;
  std::unique_ptr<reshard_runner> runner_;
};

}  // namespace

TEST_CASE("reshard: a runner that dies at each step is taken up, and nothing is lost") {
  using enum reshard_phase;
  reshard_fixture shards({"-"});
  shards.fill_all_tables(40, 1);
  const auto before = shards.all_rows();
  const auto targets = shards.targets({"-80", "80-"});
  model_writers writers(shards.directory(), 3);
  dying_runner runner(shards);
  runner.go("-", targets, {running, cancelled});
  CHECK(shards.serving() == std::set<std::string>{"-"});
  runner.go("-", targets, {running, switched, running, switched, completed});
  CHECK(shards.serving() == std::set<std::string>{"-80", "80-"});
  runner.go("-80,80-", "-=" + shards.server(0).address(), {running, switched, completed});
  CHECK(shards.serving() == std::set<std::string>{"-"});
  writers.go_on();
  writers.stop_and_check();
  CHECK(writers.longest() < seconds(10));
  MESSAGE("died " << runner.deaths() << " times; the longest write took " << writers.longest().count() / 1000 << " ms");

  const auto steps = runner.steps();
  for (const auto* step :
       {"start.registering", "start.registered",  "start.prepared",    "start.targets_ready", "start.journal_installed",
        "copy.read",         "copy.written",      "copy.committed",    "replay.written",      "replay.committed",
        "switch.recording",  "switch.freezing",   "switch.frozen",     "switch.drained",      "switch.opened",
        "switch.cas_done",   "switch.finishing",  "undo.settled",      "undo.opened",         "resume.read",
        "resume.taken_over", "complete.recorded", "complete.dropping", "complete.dropped",    "cancel.recorded",
        "cancel.dropping",   "cancel.dropped"})
    CHECK_MESSAGE(steps.contains(step), step);
  const auto after = shards.all_rows();
  for (const auto& [key, row] : before) {
    if (key.starts_with("fences:")) continue;
    const auto found = after.find(key);
    REQUIRE_MESSAGE(found != after.end(), key);
    CHECK_MESSAGE(found->second == row, key);
  }
}

TEST_CASE("reshard: a runner that is ended while it switches leaves nothing frozen") {
  reshard_fixture shards({"-"});
  shards.fill_all_tables(20, 1);
  model_writers writers(shards.directory(), 2);
  std::atomic<bool> is_frozen = false, is_told = false;
  auto runner = shards.make_runner([&](std::string_view step) {
    if (step != "switch.frozen") return;
    is_frozen = true;
    (void)comes_true([&] { return is_told.load(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // so that the end comes before the next step, mostly
  });
  REQUIRE(runner->start("-", shards.targets({"-80", "80-"})));
  REQUIRE(comes_true([&] { return runner->status().record->phase == reshard_phase::running; }));
  REQUIRE(runner->switch_writes());
  REQUIRE(comes_true([&] { return is_frozen.load(); }));
  is_told = true;
  runner.reset();
  writers.go_on();
  const auto phase = shards.phase();
  CHECK((phase == reshard_phase::running || phase == reshard_phase::switched));
  runner = shards.make_runner();
  REQUIRE(runner->resume());
  REQUIRE(runner->wait_idle(seconds(30)));
  writers.go_on();
  CHECK(shards.phase() == phase);
  writers.stop_and_check();
}

namespace {

void replicate(mysql::local_server& primary, mysql::local_server& replica) {
  auto from = primary.connect_as_root();
  auto to = replica.connect_as_root();
  to.run("SET GLOBAL rpl_semi_sync_slave_enabled=1");
  to.run("CHANGE MASTER TO master_host='127.0.0.1', master_port=" + std::to_string(primary.port()) +
         ", master_user='root', master_password='', master_use_gtid=slave_pos, master_connect_retry=1");
  to.run("START SLAVE");
  from.run("SET GLOBAL rpl_semi_sync_master_wait_point=AFTER_SYNC");
  from.run("SET GLOBAL rpl_semi_sync_master_timeout=1000000000");
  REQUIRE(comes_true([&] {
    auto found = to.query("SHOW SLAVE STATUS");
    return found.next() && found.by_name("Slave_IO_Running") == "Yes" && found.by_name("Seconds_Behind_Master") == "0";
  }));
  from.run("SET GLOBAL rpl_semi_sync_master_enabled=1");
  to.run("SET GLOBAL read_only=1");
}

/// What a supervisor does, in its shortest form.
void fail_over(reshard_fixture& shards, std::string_view range, mysql::local_server& dead, mysql::local_server& heir) {
  dead.kill9();
  auto db = heir.connect_as_root();
  db.run("STOP SLAVE IO_THREAD");
  REQUIRE(comes_true([&] {
    auto found = db.query("SHOW SLAVE STATUS");
    return found.next() && found.by_name("Gtid_IO_Pos") == db.words("SELECT @@gtid_slave_pos");
  }));
  db.run("STOP SLAVE");
  db.run("RESET SLAVE ALL");
  const auto key = shard_key("throng", parse_key_range(range).value());
  const auto entry = shards.topology().get(key);
  REQUIRE(entry);
  auto record = parse_shard_record(**entry);
  REQUIRE(record);
  record->term += 1;
  record->primary = heir.address();
  record->in_sync = {heir.address()};
  REQUIRE(shards.topology().put(key, to_json(*record), (*entry)->version));
  db.run("SET GLOBAL read_only=0");
}

}  // namespace

TEST_CASE("reshard: primaries of a source and of a target die in the middle, and the streams go on") {
  reshard_fixture shards({"-"});
  shards.fill_all_tables(150, 1);
  const auto spare = shards.add_server();
  replicate(shards.server(0), shards.server(1));
  {
    const auto key = shard_key("throng", {});
    const auto entry = shards.topology().get(key);
    auto record = parse_shard_record(**entry).value();
    record.servers.push_back(spare);
    record.in_sync = record.servers;
    REQUIRE(shards.topology().put(key, to_json(record), (*entry)->version));
  }
  const auto low = shards.add_server(), low_replica = shards.add_server(), high = shards.add_server();
  replicate(shards.server(2), shards.server(3));
  model_writers writers(shards.directory(), 3);
  writers.go_on();
  const auto runner = shards.make_runner();
  REQUIRE(runner->start("-", "-80=" + low + "," + low_replica + " 80-=" + high, 400));
  REQUIRE(comes_true([&] {
    const auto now = runner->status();
    return now.feeders.size() == 1 && now.feeders.front().rows_copied > 300;
  }));
  CHECK(runner->status().record->phase == reshard_phase::copying);
  fail_over(shards, "-", shards.server(0), shards.server(1));
  writers.go_on();
  REQUIRE(comes_true([&] { return runner->status().record->phase == reshard_phase::running; }, seconds(60)));
  fail_over(shards, "-80", shards.server(2), shards.server(3));
  writers.go_on();
  REQUIRE(runner->verify());
  REQUIRE(runner->wait_idle(seconds(60)));
  auto now = runner->status();
  REQUIRE(now.verified);
  CHECK_MESSAGE(now.verified->is_equal(), to_text(now));
  REQUIRE(runner->switch_writes());
  REQUIRE(runner->wait_idle(seconds(60)));
  now = runner->status();
  REQUIRE_MESSAGE(now.trouble.empty(), to_text(now));
  writers.go_on();
  REQUIRE(runner->complete());
  REQUIRE(runner->wait_idle(seconds(60)));
  writers.stop_and_check();
  CHECK(shards.serving() == std::set<std::string>{"-80", "80-"});
}
