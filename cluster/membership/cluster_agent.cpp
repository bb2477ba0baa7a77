// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership/cluster_agent.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "cluster/membership/node_numbers.hpp"
#include "config/log.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds busy_period{20};  // while slots move, or something has to be tried again soon
constexpr milliseconds idle_period{100};
constexpr int decisions_max = 8;  // in one step: a leader is lost, it is dead, its slots go elsewhere

/// What the dead had is due at once.
bool is_paced(make_table::cause_t cause) {
  return cause != make_table::cause_t::first && cause != make_table::cause_t::dead;
}

bool is_away(errc code) { return code == errc::service_unavailable || code == errc::stopping; }

}  // namespace

cluster_agent::cluster_agent(parts with, options how)
    : with_(std::move(with)),
      how_(how),
      shown_(std::make_shared<const view>(view{with_.self})),
      picture_(with_.self, how.patience),
      renewal_(with_.self.incarnation),
      meter_(how.meter),
      balance_(how.balance),
      pace_(how.coordination.balancing_moves_max) {}

cluster_agent::~cluster_agent() { stop(); }

void cluster_agent::start() {
  watch();
  thread_ = std::thread([this] { run(); });
}

void cluster_agent::start_simulated() { watch(); }

void cluster_agent::stop() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  has_news_.notify_all();
  if (thread_.joinable()) thread_.join();
  watches_.clear();
  hold_.reset();
}

void cluster_agent::run() {
  while (true) {
    step();
    std::unique_lock lock(mutex_);
    const bool is_busy =
        told_version_ == 0 || is_leaving_ || with_.here.placed().moving_slots > 0 || !hold_ || is_held_back_;
    has_news_.wait_for(lock, is_busy ? busy_period : idle_period, [this] { return is_stopping_ || is_woken_; });
    if (is_stopping_) return;
  }
}

void cluster_agent::step() {
  if (is_expelled_) return;
  const auto now = with_.clock.now();
  take_news(now);
  picture_.pass_time(now);
  keep_membership();
  if (is_expelled_) return show();
  if (has_joined_) {
    has_met_most_ = has_met_most_ || picture_.reaches_most();
    follow();
    keep_record(now);
    keep_load(now);
    end_ghosts();
    coordinate(now);
    renew_lost_loans();
    renew_refused_fences(now);
    check_leaving();
  }
  show();
}

// -- news
// ------------------------------------------------------------------------------------------------------------

void cluster_agent::watch() {
  auto& topology = with_.topology;
  watches_.push_back(topology.watch(std::string(node_records_prefix), [this](std::vector<topology_entry> entries) {
    leave_news([&](inbox& news) { news.records = std::move(entries); });
  }));
  watches_.push_back(topology.watch(std::string(slot_table_key), [this](std::vector<topology_entry> entries) {
    leave_news([&](inbox& news) { news.table = std::move(entries); });
  }));
  watches_.push_back(topology.watch(std::string(leadership_key), [this](std::vector<topology_entry> entries) {
    leave_news([&](inbox& news) { news.leadership = std::move(entries); });
  }));
  watches_.push_back(topology.watch(std::string(placement_wishes_key), [this](std::vector<topology_entry> entries) {
    leave_news([&](inbox& news) { news.wishes = std::move(entries); });
  }));
  watches_.push_back(topology.watch(std::string(load_reports_prefix), [this](std::vector<topology_entry> entries) {
    leave_news([&](inbox& news) { news.loads = std::move(entries); });
  }));
  watches_.push_back(topology.watch(std::string(pins_key), [this](std::vector<topology_entry> entries) {
    leave_news([&](inbox& news) { news.pins = std::move(entries); });
  }));
}

template <class Change>
void cluster_agent::leave_news(Change change) {
  {
    std::lock_guard lock(mutex_);
    change(news_);
    is_woken_ = true;
  }
  has_news_.notify_all();
}

void cluster_agent::link_changed(const node_identity& peer, bool is_up) {
  leave_news([&](inbox& news) { news.links.emplace_back(peer, is_up); });
}

void cluster_agent::peer_gone(const node_identity& peer) {
  leave_news([&](inbox& news) { news.gone.push_back(peer); });
}

void cluster_agent::take_news(steady_time now) {
  inbox news;
  {
    std::lock_guard lock(mutex_);
    news = std::exchange(news_, {});
    is_woken_ = false;
  }
  for (const auto& [peer, is_up] : news.links) picture_.set_link(peer, is_up);
  for (const auto& peer : news.gone) picture_.set_gone(peer);
  if (news.table) picture_.set_table(*news.table);
  if (news.leadership) picture_.set_leadership(*news.leadership);
  if (news.wishes) picture_.set_wishes(*news.wishes);
  if (news.loads) picture_.set_loads(*news.loads);
  if (news.pins) picture_.set_pins(*news.pins);
  if (news.records) picture_.set_records(*news.records, now);
  is_hold_lost_ |= news.hold_lost;
  if (!news.records || !hold_) return;
  const auto* record = picture_.own_record();
  if (record && own_ && record->who == with_.self)
    own_->version = std::max(own_->version, record->version);
  else if (auto entry = with_.topology.get(node_record_key(with_.self.name)))  // a watch may be a little behind
    if (auto there = *entry ? parse_node_record(**entry) : result<node_record>(errc::not_found);
        !there || there->who.incarnation != with_.self.incarnation)
      is_hold_lost_ = true;
}

// -- membership
// --------------------------------------------------------------------------------------------------------

void cluster_agent::keep_membership() {
  if (is_hold_lost_) {
    hold_.reset();
    own_.reset();
    is_hold_lost_ = false;
    has_told_numbers_ = false;
  }
  if (!hold_) join();
}

/// As often as it takes: what can't be done now is done in one of the next steps.
void cluster_agent::join() {
  const auto& self = with_.self;
  auto say = [this](const error& why) {
    if (std::exchange(trouble_, why.detail) != why.detail && !is_away(why.code))
      log::warn("node {} can't join yet: {} {}", with_.self.name, to_string(why.code), why.detail);
  };
  auto current = is_current(with_.topology, self.name, {self.node, self.incarnation});
  if (!current) return say(current.failure());
  if (*current && !has_told_numbers_) has_told_numbers_ = tell_numbers();
  auto cleared = clear_place();
  if (!cleared) return say(cleared.failure());
  if (!*current || !*cleared) return expel(*cleared ? expulsion::declared_dead : expulsion::replaced);

  node_record record;
  record.who = self;
  record.weight = how_.weight;
  record.is_draining = is_leaving_;
  record.applied = told_version_;
  auto held = with_.topology.hold(node_record_key(self.name), to_json(record), how_.record_ttl,
                                  [this] { leave_news([](inbox& news) { news.hold_lost = true; }); });
  if (!held) return say(held.failure());
  hold_ = std::move(*held);
  own_ = record;
  // Somebody may have given up on this start between the look and the hold.
  current = is_current(with_.topology, self.name, {self.node, self.incarnation});
  if (current && !*current) return expel(expulsion::declared_dead);
  if (auto renewed = !current ? result<>(current.failure()) : has_joined_ ? result<>(done) : renew_epochs(); !renewed) {
    hold_.reset();
    own_.reset();
    return say(renewed.failure());
  }
  trouble_.clear();
  log::info("node {} is a member: number {}, incarnation {}", self.name, self.node.value, self.incarnation);
  has_joined_ = true;
}

/// Makes room for this node's record. False if a later start of the same name has one there.
result<bool> cluster_agent::clear_place() {
  auto entry = with_.topology.get(node_record_key(with_.self.name));
  if (!entry) return entry.failure();
  if (!*entry) return true;
  auto record = parse_node_record(**entry);
  if (record && record->who.incarnation > with_.self.incarnation) return false;
  if (auto erased = with_.topology.erase((*entry)->key, (*entry)->version); !erased) return erased.failure();
  return true;
}

/// What this number's last start had is this one's, under epochs of its own: a process of before may still run.
result<> cluster_agent::renew_epochs() {
  auto entry = with_.topology.get(slot_table_key);
  if (!entry) return entry.failure();
  if (!*entry) return done;
  auto table = slot_table::decode((*entry)->value);
  if (!table) return table.failure();
  std::vector<slot_move> moves;
  for (const auto& own : table->fences_of(with_.self.node))
    moves.push_back({own.slot, with_.self.node, with_.self.node});
  if (moves.empty()) return done;
  auto next = table->after(moves);
  auto put = with_.topology.put(slot_table_key, next.encode(), (*entry)->version);
  if (!put) return put.failure();
  picture_.has_put(std::move(next), *put);
  return done;
}

void cluster_agent::expel(expulsion why) {
  is_expelled_ = true;
  hold_.reset();
  own_.reset();
  {
    std::lock_guard lock(mutex_);
    has_left_ = true;
  }
  has_left_changed_.notify_all();
  log::warn("node {} is no member any more: {}", with_.self.name,
            why == expulsion::replaced ? "another process runs under its name" : "the others took it for dead");
  with_.on_expelled(why);
}

// -- following
// ---------------------------------------------------------------------------------------------------------

/// Tells links and region what has changed.
void cluster_agent::follow() {
  auto members = picture_.members();
  const auto version = picture_.table() ? picture_.table()->version() : 0;
  if (auto pins = picture_.effective_pins(is_leaving_); pins != told_pins_) {
    with_.here.apply_pins(pins);
    told_pins_ = std::move(pins);
  }
  if (members == told_members_ && version == told_version_) return;
  auto set_peers = [&](std::vector<node_identity> all) {
    std::erase_if(all, [&](const auto& each) { return each.node == with_.self.node; });
    with_.between.set_peers(std::move(all));
  };
  auto tell = [&](const std::vector<node_identity>& all) {
    // Who comes has a link before anything is sent there, and who goes has one until nothing is any more.
    auto both = all;
    for (const auto& before : told_members_)
      if (std::ranges::none_of(all, [&](const auto& each) { return each.node == before.node; })) both.push_back(before);
    set_peers(both);
    if (version > 0) with_.here.apply(*picture_.table(), all);
    if (both.size() == all.size()) return;
    set_peers(all);
    if (version > 0) with_.here.apply(*picture_.table(), all);  // what was lost with it is sent again
  };
  // A number that has another incarnation now: the one before is gone, with all that was on its way to it.
  auto lasting = members;
  std::erase_if(lasting, [&](const auto& each) {
    return std::ranges::any_of(told_members_, [&](const auto& before) {
      return before.node == each.node && before.incarnation != each.incarnation;
    });
  });
  if (lasting.size() < members.size()) tell(lasting);
  tell(members);
  told_members_ = std::move(members);
  told_version_ = version;
}

node_record cluster_agent::record_of_now(steady_time now) {
  node_record record;
  record.who = with_.self;
  record.weight = how_.weight;
  record.is_draining = is_leaving_;
  const auto placed = with_.here.placed();
  // Until it knows whom it has to meet, it has settled on nothing.
  const auto* seen = picture_.own_record();
  record.applied = seen && seen->who == with_.self ? placed.table_version : 0;
  record.moving = placed.moving_slots;
  record.unreachable = picture_.unreachable(now);
  record.lasting = picture_.lasting(now);
  record.unmet = picture_.unmet(now);
  record.gone = picture_.gone();
  record.version = own_->version;
  return record;
}

void cluster_agent::keep_record(steady_time now) {
  if (!hold_ || !own_) return;
  auto record = record_of_now(now);
  // That a move has begun is nothing that others wait for, only that it is over.
  if (record.moving > 0 && own_->applied < record.applied && record.unreachable == own_->unreachable &&
      record.gone == own_->gone && record.lasting == own_->lasting && record.is_draining == own_->is_draining)
    return;
  if (record == *own_ && own_->version != 0) return;
  if (now - own_put_at_ < how_.record_every) return;
  own_put_at_ = now;
  put_record(record);
}

void cluster_agent::put_record(const node_record& record) {
  const auto key = node_record_key(with_.self.name);
  if (own_->version != 0) {
    auto put = with_.topology.put(key, to_json(record), own_->version);
    if (put) {
      own_ = record;
      own_->version = *put;
      return;
    }
  }
  // It isn't known what is there: the next step puts it.
  own_->version = 0;
  auto entry = with_.topology.get(key);
  if (!entry) return;
  auto there = *entry ? parse_node_record(**entry) : result<node_record>(errc::not_found);
  if (there && there->who == with_.self)
    own_ = std::move(*there);
  else
    is_hold_lost_ = true;
}

// -- load
// ----------------------------------------------------------------------------------------------------------------

void cluster_agent::keep_load(steady_time now) {
  if (!picture_.table() || now - sampled_at_ < how_.load_period / 5) return;
  sampled_at_ = now;
  meter_.sample(with_.here.loads(), now);
  if (now - load_told_at_ < how_.load_period) return;
  load_told_at_ = now;
  look_for_hot(now);
  tell_load();
}

/// Takes what the SLOTs have answered to the last question, and asks the next.
void cluster_agent::look_for_hot(steady_time now) {
  decltype(hot_looks_->answers) answers;
  steady_time asked;
  {
    std::lock_guard lock(hot_looks_->mutex);
    answers.swap(hot_looks_->answers);
    asked = std::exchange(hot_looks_->asked, now);
  }
  const auto suspects = meter_.suspects();
  for (const auto& [slot, entities] : answers)
    if (std::ranges::find(suspects, slot) != suspects.end()) meter_.look_at(slot, entities, asked);
  for (auto slot : suspects) {
    inspection::filter which;
    which.slot = slot;
    with_.here.inspect().entities(which, [looks = hot_looks_, slot](std::vector<entity_view> entities) {
      std::lock_guard lock(looks->mutex);
      if (looks->answers.size() < reported_entities_max) looks->answers.emplace_back(slot, std::move(entities));
    });
  }
}

void cluster_agent::tell_load() {
  auto report = meter_.report(*picture_.table(), with_.self.node);
  report.name = with_.self.name;
  report.incarnation = with_.self.incarnation;
  if (!hold_ || (load_entry_ != 0 && !differs_much(told_load_, report))) return;
  const auto key = load_report_key(with_.self.name);
  auto text = to_json(report);
  auto put = with_.topology.put(key, text, load_entry_);
  if (!put && put.code() == errc::conflict) {  // of an earlier start, or the topology has forgotten it
    auto entry = with_.topology.get(key);
    if (entry) put = with_.topology.put(key, text, *entry ? (*entry)->version : 0);
  }
  if (!put) return;  // the next report
  load_entry_ = *put;
  ++load_reports_;
  load_report_bytes_ += text.size();
  told_load_ = std::move(report);
}

// -- coordinating
// ------------------------------------------------------------------------------------------------------

void cluster_agent::coordinate(steady_time now) {
  for (int i = 0; i < decisions_max; ++i) {
    if (!hold_ || !own_) return;
    auto record = record_of_now(now);
    const auto facts = picture_.facts(record);
    balance_advice advice;
    advice.may_balance = false;
    const bool leads = facts.lead.leader == with_.self.name && facts.lead.incarnation == with_.self.incarnation;
    if (leads && facts.table && has_settled(facts)) {
      pace_.has_settled(with_.clock.now());
      advice = balance_.look(facts, how_.coordination, now);
    }
    auto next = decide(facts, with_.self.name, how_.coordination, advice);
    const auto* table = std::get_if<make_table>(&next);
    is_held_back_ = table && is_paced(table->cause) && pace_.rests(with_.clock.now());
    if (is_held_back_) next = wait_for_change{};
    const bool has_changed = std::visit([this](const auto& step) { return carry_out(step); }, next) ||
                             restore_table(now) || restore_wishes() || restore_pins();
    if (!has_changed) return;
    follow();
  }
}

bool cluster_agent::carry_out(const take_the_lead& step) {
  auto lead = step.next;
  auto put = with_.topology.put(leadership_key, to_json(lead), lead.version);
  if (!put) return false;  // somebody else did, or the topology is away: news come
  lead.version = *put;
  log::info("node {} coordinates now (term {})", lead.leader, lead.term);
  picture_.has_put(std::move(lead));
  return true;
}

bool cluster_agent::carry_out(const declare_dead& step) {
  const auto& who = step.member.who;
  if (!spend(with_.topology, who.name, {who.node, who.incarnation})) return false;
  if (step.member.version != 0 && !erase_record_of(who)) return false;
  log::warn("node {} (number {}, incarnation {}) is dead: {}", who.name, who.node.value, who.incarnation, step.reason);
  ++members_expelled_;
  picture_.has_erased(step.member);
  return true;
}

/// True if there was one, of this incarnation or one before. A conflict: it has just written it, or somebody else has
/// erased it; by the number it is dead anyway.
result<bool> cluster_agent::erase_record_of(const node_identity& who) {
  auto entry = with_.topology.get(node_record_key(who.name));
  if (!entry) return entry.failure();
  auto there = *entry ? parse_node_record(**entry) : result<node_record>(errc::not_found);
  if (!there || there->who.incarnation > who.incarnation) return false;
  if (auto erased = with_.topology.erase((*entry)->key, (*entry)->version); !erased) return erased.failure();
  return true;
}

bool cluster_agent::carry_out(const make_table& step) {
  slot_table before;
  topology_version expected = 0;
  if (step.cause == make_table::cause_t::first) {
    auto fences = with_.read_fences();
    if (!fences) {
      if (std::exchange(trouble_, fences.failure().detail) != fences.failure().detail)
        log::warn("the first slot table waits for the store: {}", fences.failure().detail);
      return false;
    }
    // Later than every table that a node may remember, should the topology have forgotten the last.
    const auto started = std::chrono::duration_cast<milliseconds>(with_.clock.wall().time_since_epoch()).count();
    before = slot_table::unowned(static_cast<std::uint64_t>(started), *fences);
  } else {
    if (picture_.table_entry() == 0) return false;  // restore_table() first
    before = *picture_.table();
    expected = picture_.table_entry();
    if (!spend_absent(step.plan)) return false;
  }
  auto next = before.after(step.plan.moves, step.mark);
  auto put = with_.topology.put(slot_table_key, next.encode(), expected);
  if (!put) return false;
  ++tables_made_;
  balance_.has_made(step, with_.clock.now());
  pace_.has_begun(step.plan.moves.size(), with_.clock.now());
  if (step.cause == make_table::cause_t::hot) ++hot_moves_;
  if (step.cause == make_table::cause_t::balance) balance_moves_ += step.plan.moves.size();
  log::info("slot table {}: {} slots move, {} of them must: {}", next.version(), step.plan.moves.size(),
            step.plan.forced, step.why);
  picture_.has_put(std::move(next), *put);
  return true;
}

/// Whoever loses its slots because it has no record any more can't come back as if nothing had been.
result<> cluster_agent::spend_absent(const placement_plan& plan) {
  std::set<node_index> losers;
  for (const auto& each : plan.moves) losers.insert(each.from);
  for (const auto& each : picture_.members()) losers.erase(each.node);
  for (auto node : losers)
    if (const auto* who = picture_.last_known(node))
      if (auto spent = spend(with_.topology, who->name, {who->node, who->incarnation}); !spent) return spent;
  return done;
}

// -- leaving
// -----------------------------------------------------------------------------------------------------------

void cluster_agent::start_leaving() {
  is_leaving_ = true;
  leave_news([](inbox&) {});
}

bool cluster_agent::leave(steady_time until) {
  start_leaving();
  std::unique_lock lock(mutex_);
  return has_left_changed_.wait_for(lock, until - with_.clock.now(), [this] { return has_left_ || is_stopping_; }) &&
         has_left_;
}

void cluster_agent::check_leaving() {
  if (!is_leaving_ || has_left_) return;
  const auto& table = picture_.table();
  const auto placed = with_.here.placed();
  const bool is_empty = table && table->owned_by(with_.self.node) == 0 && placed.open_slots == 0 && placed.guests == 0;
  const auto facts = picture_.facts({});
  const bool goes_unused = is_unused(facts, is_empty ? table->version() : 0) &&
                           placed.table_version == table->version() && placed.moving_slots == 0;
  const bool is_last = std::ranges::none_of(
      node_shares(facts), [&](const auto& each) { return each.node != with_.self.node && each.weight > 0; });
  if (!goes_unused && (is_empty || !is_last)) return;
  with_.here.tell_passed_asks();
  {
    std::lock_guard lock(mutex_);
    has_left_ = true;
  }
  has_left_changed_.notify_all();
}

/// Everybody else has settled since this node had its last slot, so what they had sent by way of it has come through.
/// `version`: the table's, 0 while this node has any.
bool cluster_agent::is_unused(const cluster_facts& facts, std::uint64_t version) {
  if (version == 0 || empty_since_ == 0) {
    empty_since_ = version;
    through_.clear();
  }
  if (version == 0) return false;
  for (const auto& each : facts.members)
    if (each.applied >= empty_since_ && each.moving == 0) through_.insert(each.who.node);
  return std::ranges::all_of(facts.members, [&](const auto& each) {
    return each.who.node == with_.self.node || through_.contains(each.who.node);
  });
}

// -- for people
// --------------------------------------------------------------------------------------------------------

void cluster_agent::show() {
  auto now = std::make_shared<view>();
  now->self = with_.self;
  now->is_member = hold_ != nullptr;
  now->facts = picture_.facts(own_);
  now->has_met_most = has_met_most_;
  now->is_leader = now->facts.lead.leader == with_.self.name && now->facts.lead.incarnation == with_.self.incarnation;
  now->tables_made = tables_made_;
  now->members_expelled = members_expelled_;
  now->balance_moves = balance_moves_;
  now->hot_moves = hot_moves_;
  now->load = told_load_;
  now->load_reports = load_reports_;
  now->load_report_bytes = load_report_bytes_;
  now->pins = picture_.pins();
  std::lock_guard lock(mutex_);
  shown_ = std::move(now);
}

std::shared_ptr<const cluster_agent::view> cluster_agent::look() const {
  std::lock_guard lock(mutex_);
  return shown_;
}

}  // namespace throng
