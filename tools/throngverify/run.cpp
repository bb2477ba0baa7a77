// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/run.hpp"

#include <atomic>
#include <cstdlib>
#include <ostream>

#include "tools/throngverify/cluster_view.hpp"
#include "tools/throngverify/fault_driver.hpp"

namespace throng::verify {

namespace {

using namespace std::chrono_literals;

constexpr auto up_patience = 180s;
constexpr auto down_patience = 120s;
constexpr auto rest_patience = 60s;
constexpr auto first_sign_in_patience = 60s;
constexpr auto fault_patience = 240s;  // for those that have begun, behind the play's end

std::atomic<bool> is_interrupted{false};

error trouble(std::string sentence) { return {errc::service_unavailable, std::move(sentence)}; }

class play {
 public:
  play(const options& how, std::ostream& log)
      : how_(how),
        log_(log),
        record_({.seed = how.scene.seed, .replay = how.urls.empty() ? replay_of(how) : std::string()}),
        scene_(loop_, record_, how.scene) {
    scene_.calls_per_second = how.calls_per_second;
    scene_.say = [&log](const std::string& line) { log << line << std::endl; };
  }

  result<run_outcome> run() {
    result<> outcome = trouble("interrupted");
    bool is_over = false;
    const auto go = [&]() -> task<void> {
      outcome = co_await play_it();
      is_over = true;
    };
    try {
      spawn(go());
      loop_.run_until([&] { return is_over || is_interrupted; });
    } catch (const std::exception& failure) {
      outcome = error{errc::internal_error, failure.what()};
    }
    scene_.is_over = scene_.is_curtain = true;
    take_down();
    if (!outcome) {
      if (!result_.folder.empty() && !how_.keeps_folder) remove_folder(result_.folder);
      return outcome.failure();
    }
    result_.counts = scene_.counts;
    result_.seen = record_.take();
    return std::move(result_);
  }

 private:
  task<result<>> play_it() {
    if (how_.urls.empty()) {
      auto started = co_await start_cluster();
      if (!started) co_return started.failure();
    } else {
      take_given();
    }
    log_ << "seed " << how_.scene.seed << ": " << how_.scene.people << " people make a workspace" << std::endl;
    auto set = co_await set_the_scene(scene_);
    if (!set) co_return set.failure();
    company people;
    for (std::size_t i = 0; i < scene_.people.size(); ++i) people.push_back(std::make_unique<person>(scene_, i));
    for (const auto& each : people) spawn(each->live());
    co_await talk(people);
    result_.found = co_await play_the_epilogue(scene_, people);
    if (driver_)
      for (const auto& each : driver_->troubles()) result_.found.push_back("liveness: " + each);
    company_ = std::move(people);  // their devices end by themselves
    co_return done;
  }

  task<void> talk(const company& people) {
    const auto all_in = [&people] {
      for (const auto& each : people)
        for (const auto& one : each->devices())
          if (!one->is_ready()) return false;
      return true;
    };
    const auto latest = event_loop::clock::now() + first_sign_in_patience;
    while (!all_in() && event_loop::clock::now() < latest) co_await loop_.sleep_for(50ms);
    const auto plan = plan_faults(how_.faults, how_.play, how_.scene.seed);
    log_ << "they talk for " << how_.play.count() / 1000 << " s" << (plan.empty() ? "" : "; faults:") << '\n'
         << to_text(std::span(plan)) << std::flush;
    const auto end = event_loop::clock::now() + how_.play;
    if (script_) {
      driver_ = std::make_unique<fault_driver>(scene_, *script_, shards_of(how_.mysql));
      spawn(driver_->run(plan));
    }
    auto next_line = event_loop::clock::now();
    while (event_loop::clock::now() < end || (driver_ && !driver_->is_done())) {
      co_await loop_.sleep_for(200ms);
      const auto now = event_loop::clock::now();
      if (now > end + fault_patience) co_return;
      if (now < next_line) continue;
      next_line = now + 10s;
      log_ << "  " << scene_.counts.posts << " posts, " << scene_.counts.deliveries << " deliveries, "
           << scene_.counts.resumes << " resumes" << std::endl;
    }
    if (!driver_) co_return;
    for (std::size_t i = 0; i < fault_kinds; ++i)
      if (driver_->counts()[i] > 0)
        result_.faults.emplace_back(to_text(static_cast<fault_kind>(i)), driver_->counts()[i]);
  }

  void take_given() {
    for (const auto& url : how_.urls) scene_.nodes.push_back({url.authority(), url});
    scene_.admin_token = how_.admin_token;
  }

  task<result<>> start_cluster() {
    auto parent = how_.folder.empty() ? std::filesystem::temp_directory_path() : std::filesystem::path(how_.folder);
    auto folder = (parent / "throngverify-XXXXXX").string();
    if (!::mkdtemp(folder.data())) co_return trouble("can't make " + folder);
    result_.folder = folder;
    auto paths = paths_beside();
    if (!how_.program.empty()) paths.throngd = how_.program;
    paths.data = folder;
    script_ = std::make_unique<cluster_script>(loop_, std::move(paths));
    log_ << "starting " << how_.nodes << " nodes in " << folder << std::endl;
    std::vector<std::string> words{"up", std::to_string(how_.nodes), "--mysql", how_.mysql};
    auto said = co_await script_->run(std::move(words), up_patience);
    if (!said) co_return said.failure();
    scene_.nodes = parse_doors(*said);
    scene_.admin_token = script_->admin_token();
    if (scene_.nodes.size() != how_.nodes) co_return trouble("tools/cluster up didn't say where the nodes are");
    co_return co_await wait_for_rest(scene_, rest_patience);
  }

  void take_down() {
    if (!script_) return;
    bool is_down = false;
    const auto go = [&]() -> task<void> {
      std::vector<std::string> words{"down", "--keep"};
      auto said = co_await script_->run(std::move(words), down_patience);
      if (!said) log_ << said.failure().detail << std::endl;
      is_down = true;
    };
    try {
      spawn(go());
      loop_.run_until([&] { return is_down; });
    } catch (const std::exception& failure) {
      log_ << "tools/cluster down: " << failure.what() << std::endl;
    }
  }

  const options& how_;
  std::ostream& log_;
  recorder record_;
  company company_;
  std::unique_ptr<cluster_script> script_;
  std::unique_ptr<fault_driver> driver_;
  run_outcome result_;
  event_loop loop_;  // its end is the end of all that still waits, and that uses what is above
  scene scene_;
};

}  // namespace

result<run_outcome> run(const options& how, std::ostream& log) { return play(how, log).run(); }

void interrupt_run() { is_interrupted = true; }

void remove_folder(const std::string& folder) {
  std::error_code ignored;  // best effort: what is left over is in the temporary folder
  std::filesystem::remove_all(folder, ignored);
}

}  // namespace throng::verify
