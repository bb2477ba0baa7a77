// SPDX-License-Identifier: Apache-2.0
// The plan of a batch leaves the same rows and refuses the same units as doing one operation after the other does.
#include "storage/mysql/batch_plan.hpp"

#include <algorithm>
#include <random>

#include <doctest/doctest.h>

#include "storage/store.hpp"

using namespace throng;
using namespace throng::mysql;

namespace {

/// Tables as text: "users 7" → "the row".
using table_rows = std::map<std::string, std::string>;

std::string text_of(std::uint64_t number) { return std::to_string(number); }
std::string name(const char* table, std::initializer_list<std::uint64_t> key) {
  std::string text = table;
  for (auto part : key) text += ' ' + text_of(part);
  return text;
}
std::string name_of(const workspace_record& row) { return name("workspaces", {row.id.value}); }
std::string name_of(const directory_record& row) {
  return name("directory", {row.team.value, static_cast<std::uint64_t>(row.kind), row.id});
}
std::string name_of(const user_record& row) { return name("users", {row.id.value}); }
std::string name_of(const membership_record& row) { return name("memberships", {row.user.value, row.channel.value}); }
std::string name_of(const channel_record& row) { return name("channels", {row.id.value}); }
std::string name_of(const member_record& row) { return name("members", {row.channel.value, row.user.value}); }
std::string name_of(const message_record& row) {
  return name("messages", {row.channel.value, static_cast<std::uint64_t>(row.ts.micros)});
}
std::string name_of(const event_record& row) {
  return name("events", {static_cast<std::uint64_t>(row.stream.kind), row.stream.id, row.seq});
}
std::string name_of(const token_record& row) { return name("tokens", {row.hash[0]}); }
std::string name_of(const app_record& row) { return name("apps", {row.id.value}); }

std::string content(const workspace_record& row) { return row.domain + " " + row.data; }
std::string content(const membership_record& row) {
  return text_of(static_cast<std::uint64_t>(row.last_read.micros)) + (row.is_open ? " open" : "");
}
std::string content(const member_record& row) {
  return text_of(static_cast<std::uint64_t>(row.joined.time_since_epoch().count()));
}
std::string content(const token_record& row) { return text_of(table_routes::owner_of(row)) + row.scopes; }
std::string content(const auto& row) { return row.data; }

// -- one operation after the other -----------------------------------------------------------------------------------

/// Whether it is refused.
template <class Op>
bool apply(table_rows& rows, const Op& op) {
  if constexpr (std::is_same_v<Op, insert_message> || std::is_same_v<Op, insert_event>) {
    return !rows.emplace(name_of(op.row), content(op.row)).second;
  } else if constexpr (std::is_same_v<Op, erase_member>) {
    rows.erase(name("members", {op.channel.value, op.user.value}));
  } else if constexpr (std::is_same_v<Op, erase_membership>) {
    rows.erase(name("memberships", {op.user.value, op.channel.value}));
  } else if constexpr (std::is_same_v<Op, put_workspace>) {
    for (const auto& [key, value] : rows)
      if (key.starts_with("workspaces ") && value.starts_with(op.row.domain + " ") && key != name_of(op.row))
        return true;
    rows[name_of(op.row)] = content(op.row);
  } else if constexpr (!std::is_same_v<Op, trim_rows>) {
    rows[name_of(op.row)] = content(op.row);
  }
  return false;
}

std::vector<bool> apply_one_by_one(table_rows& rows, std::span<const commit_unit> units) {
  std::vector<bool> refused;
  std::set<const void*> broken;
  for (const auto& unit : units) {
    auto before = rows;
    bool is_refused = unit.lineage && broken.contains(unit.lineage.get());
    for (const auto& op : unit.ops)
      is_refused = is_refused || std::visit([&](const auto& each) { return apply(rows, each); }, op);
    if (is_refused) {
      rows = before;
      if (unit.lineage) broken.insert(unit.lineage.get());
    }
    refused.push_back(is_refused);
  }
  return refused;
}

// -- by plan ---------------------------------------------------------------------------------------------------------

const placement everywhere{table_routes::standard(), {}};

/// False: a row that was to be new was there.
template <class Key, class Row, class NameOfKey>
bool apply(table_rows& rows, const row_changes<Key, Row>& changes, NameOfKey name_of_key) {
  for (const auto& [key, change] : changes.in_order()) {
    if (change.kind == change_kind::erase) {
      rows.erase(name_of_key(key));
    } else {
      CHECK(name_of_key(key) == name_of(*change.row));
      if (change.kind == change_kind::insert && rows.contains(name_of(*change.row))) return false;
      rows[name_of(*change.row)] = content(*change.row);
    }
  }
  return true;
}

struct database {
  table_rows rows;
  std::map<std::string, std::uint64_t> domains;  // the lookup rows
  std::map<token_hash, std::uint64_t> token_owners;
};

bool apply(database& to, const batch_plan& plan) {
  auto numbered = [](const char* table) { return [table](std::uint64_t id) { return name(table, {id}); }; };
  auto paired = [](const char* table) {
    return [table](pair_key key) { return name(table, {key.first, key.second}); };
  };
  for (const auto& [domain, change] : plan.domains.in_order()) {
    if (change.kind == change_kind::erase) {
      to.domains.erase(std::string(domain));
    } else {
      if (change.kind == change_kind::insert && to.domains.contains(std::string(domain))) return false;
      to.domains[std::string(domain)] = change.row->id.value;
    }
  }
  for (const auto& [hash, change] : plan.tokens.in_order()) to.token_owners[hash] = table_routes::owner_of(*change.row);
  return apply(to.rows, plan.workspaces, numbered("workspaces")) &&
         apply(to.rows, plan.directory,
               [](const directory_key& key) {
                 auto [team, kind, id] = key;
                 return name("directory", {team, kind, id});
               }) &&
         apply(to.rows, plan.users, numbered("users")) && apply(to.rows, plan.memberships, paired("memberships")) &&
         apply(to.rows, plan.channels, numbered("channels")) && apply(to.rows, plan.members, paired("members")) &&
         apply(to.rows, plan.messages,
               [](message_key key) {
                 return name("messages", {key.first, static_cast<std::uint64_t>(key.second)});
               }) &&
         apply(to.rows, plan.events,
               [](const event_key& key) {
                 auto [kind, id, seq] = key;
                 return name("events", {kind, id, seq});
               }) &&
         apply(to.rows, plan.tokens, [](const token_hash& hash) { return name("tokens", {hash[0]}); }) &&
         apply(to.rows, plan.apps, numbered("apps"));
}

const std::vector<epoch_t> no_epochs(slot_count);

/// What the writer reads before it plans; the rows of inserts only when it is careful.
batch_facts facts_of(const database& has, std::span<const commit_unit> units, bool is_careful) {
  batch_facts facts;
  facts.epochs = no_epochs;
  for (const auto& [domain, owner] : has.domains) facts.domains[domain] = {owner, false};
  for (const auto& [key, value] : has.rows)
    if (key.starts_with("workspaces ")) facts.domain_of[std::stoull(key.substr(11))] = value.substr(0, value.find(' '));
  facts.token_owners = has.token_owners;
  for (const auto& unit : units)
    for (const auto& op : unit.ops) {
      if (!is_careful) continue;
      if (auto* one = std::get_if<insert_message>(&op); one && has.rows.contains(name_of(one->row)))
        facts.messages.emplace(one->row.channel.value, one->row.ts.micros);
      if (auto* one = std::get_if<insert_event>(&op); one && has.rows.contains(name_of(one->row)))
        facts.events.emplace(static_cast<std::uint64_t>(one->row.stream.kind), one->row.stream.id, one->row.seq);
    }
  return facts;
}

struct dice {
  std::mt19937 random;
  std::uint64_t up_to(std::uint64_t most) { return std::uniform_int_distribution<std::uint64_t>(0, most)(random); }
  std::uint64_t id() { return 1 + up_to(3); }  // few, so that rows meet
  std::string data() { return "data " + text_of(up_to(1'000'000)); }

  write_op op() {
    switch (up_to(13)) {
      case 0:
        return put_workspace{{{id()}, "domain-" + text_of(id()), data()}};
      case 1:
        return put_directory{{{id()}, directory_record::kind_t::user, id(), data()}};
      case 2:
        return put_user{{{id()}, {1}, data()}};
      case 3:
        return put_membership{{{id()}, {id()}, {static_cast<std::int64_t>(up_to(99))}, up_to(1) == 0}};
      case 4:
        return erase_membership{{id()}, {id()}};
      case 5:
        return put_channel{{{id()}, {1}, data()}};
      case 6:
        return put_member{{{id()}, {id()}, wall_time{std::chrono::microseconds(up_to(99))}}};
      case 7:
        return erase_member{{id()}, {id()}};
      case 8:
      case 9:
        return insert_message{message()};
      case 10:
        return put_message{message()};
      case 11:
        return insert_event{{{entity_kind::channel, id()}, id() + up_to(20), {}, data()}};
      case 12:
        return put_token{{{static_cast<std::uint8_t>(id())}, token_type::user, {1}, {id()}, {}, data()}};
      default:
        return put_app{{{id()}, data()}};
    }
  }
  message_record message() {
    message_record row;
    row.channel = {id()};
    row.ts = {static_cast<std::int64_t>(1 + up_to(15))};
    row.data = data();
    return row;
  }
};

commit_unit unfenced(std::vector<write_op> ops) { return {{}, std::move(ops)}; }
workspace_record workspace(std::uint64_t id, std::string domain) { return {{id}, std::move(domain), "data"}; }

}  // namespace

TEST_CASE("batch plan: random batches come to what their operations come to one by one") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  dice random{std::mt19937(seed)};
  std::size_t refused_in_all = 0, careful_in_all = 0;
  for (int round = 0; round < 200; ++round) {
    table_rows model;
    database planned;
    for (int batch = 0; batch < 5; ++batch) {
      std::array<std::shared_ptr<std::atomic<bool>>, 3> lineages;
      for (auto& each : lineages) each = std::make_shared<std::atomic<bool>>(false);
      std::vector<commit_unit> units(random.up_to(12));
      for (auto& unit : units) {
        for (auto left = random.up_to(4); left > 0; --left) unit.ops.push_back(random.op());
        if (auto which = random.up_to(6); which < lineages.size()) unit.lineage = lineages[which];
      }
      auto refused = apply_one_by_one(model, units);

      auto before = planned;
      auto facts = facts_of(planned, units, false);
      auto plan = plan_batch(units, facts, everywhere);
      auto is_applied = apply(planned, plan);
      batch_facts careful_facts;
      if (!is_applied) {  // as a duplicate key rolls back
        ++careful_in_all;
        planned = before;
        careful_facts = facts_of(planned, units, true);
        plan = plan_batch(units, careful_facts, everywhere);
        REQUIRE(apply(planned, plan));
      }
      for (std::size_t i = 0; i < units.size(); ++i) {
        CAPTURE(i);
        REQUIRE(plan.outcomes[i].ok() == !refused[i]);
        refused_in_all += refused[i];
      }
      REQUIRE(planned.rows == model);
      for (const auto& [key, value] : model)  // each workspace has its domain's lookup row, and there is no other
        if (key.starts_with("workspaces "))
          REQUIRE(planned.domains.at(value.substr(0, value.find(' '))) == std::stoull(key.substr(11)));
      REQUIRE(planned.domains.size() == static_cast<std::size_t>(std::ranges::count_if(model, [](const auto& row) {
                return row.first.starts_with("workspaces ");
              })));
      for (const auto& [owner, hash] : plan.moved_tokens) CHECK(planned.token_owners.at(hash) != owner);
    }
  }
  CHECK(refused_in_all > 100);
  CHECK(careful_in_all > 10);
}

TEST_CASE("batch plan: a post that the same batch edits is still one that must be new") {
  batch_facts facts;
  facts.epochs = no_epochs;
  message_record post;
  post.channel = {1};
  post.ts = {5};
  auto edited = post;
  edited.data = "edited";
  std::vector units{unfenced({insert_message{post}}), unfenced({put_message{edited}})};
  auto plan = plan_batch(units, facts, everywhere);
  REQUIRE(plan.messages.in_order().size() == 1);
  const auto& change = plan.messages.in_order().begin()->second;
  CHECK(change.kind == change_kind::insert);
  CHECK(change.row->data == "edited");

  facts.messages.emplace(1, 5);
  auto careful = plan_batch(units, facts, everywhere);
  CHECK(careful.outcomes[0].code() == errc::conflict);
  CHECK(careful.messages.in_order().begin()->second.kind == change_kind::put);
}

TEST_CASE("batch plan: a batch of nothing but new posts is told from others") {
  message_record post;
  post.channel = {400};
  post.ts = {1};
  auto second = post;
  second.ts = {2};
  batch_facts facts;
  const std::vector<epoch_t> epochs(slot_count);
  facts.epochs = epochs;
  const auto is_only = [&](std::vector<write_op> ops) {
    std::vector<commit_unit> units{{{}, std::move(ops)}};
    return plan_batch(units, facts, everywhere).is_only_new_posts();
  };
  CHECK(is_only({insert_message{post}}));
  CHECK(is_only({insert_message{post}, insert_message{second}}));
  CHECK(is_only({insert_message{post}, put_message{post}}));  // still new
  CHECK_FALSE(is_only({insert_message{post}, put_message{second}}));
  CHECK_FALSE(is_only({insert_message{post}, put_member{{{400}, {1}, {}}}}));
  CHECK_FALSE(is_only({insert_message{post}, insert_message{post}}));  // refused, so that nothing is left
  CHECK_FALSE(is_only({}));
}

TEST_CASE("batch plan: a stale epoch, a slot that isn't, and what no column holds are refused before anything else") {
  auto epochs = no_epochs;
  epochs[5] = 10;
  batch_facts facts;
  facts.epochs = epochs;
  message_record long_id;
  long_id.client_msg_id = std::string(256, 'x');
  token_record long_scopes;
  long_scopes.scopes = std::string(65'536, 'x');
  std::vector<commit_unit> units{
      {{{5}, 9}, {put_user{{{1}, {}, ""}}}},
      {{{5}, 10}, {put_user{{{2}, {}, ""}}}},
      {{{slot_count}, 0}, {put_user{{{3}, {}, ""}}}},
      unfenced({put_user{{{4}, {}, ""}}, insert_message{long_id}}),
      unfenced({put_workspace{workspace(1, std::string(256, 'x'))}}),
      unfenced({put_token{long_scopes}}),
      unfenced({put_user{{{5}, {}, std::string(row_bytes_max + 1, 'x')}}}),
  };
  auto plan = plan_batch(units, facts, everywhere);
  CHECK(plan.outcomes[0].code() == errc::stale_epoch);
  CHECK(plan.outcomes[1].ok());
  CHECK(plan.outcomes[2].code() == errc::internal_error);
  for (std::size_t i : {3, 4, 5, 6}) CHECK(plan.outcomes[i].code() == errc::request_too_large);
  CHECK(plan.users.in_order().size() == 1);
  CHECK(plan.users.find(2));
}

TEST_CASE("batch plan: a domain goes to who asks first, and a forgotten reservation to anybody") {
  batch_facts facts;
  facts.epochs = no_epochs;
  facts.domains["acme"] = {7, false};
  facts.domains["apex"] = {8, true};
  std::vector units{unfenced({put_workspace{workspace(1, "acme")}}), unfenced({put_workspace{workspace(1, "apex")}}),
                    unfenced({put_workspace{workspace(2, "axis")}}), unfenced({put_workspace{workspace(3, "axis")}}),
                    unfenced({put_workspace{workspace(7, "arch")}}), unfenced({put_workspace{workspace(9, "acme")}})};
  facts.domain_of[7] = "acme";
  auto plan = plan_batch(units, facts, everywhere);
  CHECK(plan.outcomes[0].code() == errc::domain_taken);
  CHECK(plan.outcomes[1].ok());
  CHECK(plan.domains.find("apex")->kind == change_kind::put);
  CHECK(plan.outcomes[2].ok());
  CHECK(plan.domains.find("axis")->kind == change_kind::insert);
  CHECK(plan.outcomes[3].code() == errc::domain_taken);
  CHECK(plan.outcomes[5].ok());  // its owner has just given it up
  CHECK(plan.domains.find("acme")->row->id == team_id{9});
}

TEST_CASE("batch plan: a domain of another shard is not this one's business") {
  placement half{table_routes::standard(), {}};
  std::string domain = "acme";
  auto place = half.routes.of_domain(domain);
  half.range = place < (ksid_t{1} << 63) ? key_range{ksid_t{1} << 63, 0} : key_range{0, ksid_t{1} << 63};
  batch_facts facts;
  facts.epochs = no_epochs;
  std::vector units{unfenced({put_workspace{workspace(1, domain)}})};
  auto plan = plan_batch(units, facts, half);
  CHECK(plan.outcomes[0].ok());
  CHECK(plan.domains.empty());
  CHECK_FALSE(plan.workspaces.empty());
}

TEST_CASE("batch plan: the trims of a refused unit are not done") {
  batch_facts facts;
  facts.epochs = no_epochs;
  facts.messages.emplace(1, 5);
  message_record post;
  post.channel = {1};
  post.ts = {5};
  std::vector units{unfenced({trim_rows{trim_kind::events, {}, 1, nullptr}, insert_message{post}}),
                    unfenced({trim_rows{trim_kind::events, {}, 2, nullptr}})};
  auto plan = plan_batch(units, facts, everywhere);
  REQUIRE(plan.trims.size() == 1);
  CHECK(plan.trims[0]->count_max == 2);
}
