// SPDX-License-Identifier: Apache-2.0
// The shell's `find`: where an entity lives, by its id or by its name.
#include <algorithm>

#include "actors/protocol.hpp"
#include "net/admin/shell.hpp"
#include "net/admin/shell_cluster.hpp"
#include "net/admin/shell_format.hpp"
#include "net/admin/shell_reply.hpp"
#include "net/admin/shell_storage.hpp"

namespace throng {

namespace {

using owner_name = std::function<std::string(entity_key)>;

std::vector<shell_cell> find_row(entity_key key, std::string_view name, const owner_name& node) {
  return {to_text(key), std::string(name), slot_of(key).value, node(key)};
}

const std::vector<std::string> find_columns{"ENTITY", "NAME", "SLOT", "NODE"};
constexpr std::chrono::seconds patience{10};
constexpr std::size_t workspaces_searched_max = 1'000;
constexpr std::size_t rows_searched_max = 200'000;

/// What a directory row is called, and whom or what it stands for.
std::pair<std::string, std::optional<entity_key>> named_by(const directory_record& row) {
  if (row.kind == directory_record::kind_t::channel) {
    ChannelData channel;
    if (channel.ParseFromString(row.data)) return {channel.name(), key_of(channel_id{row.id})};
  } else if (row.kind == directory_record::kind_t::user) {
    UserData user;
    if (user.ParseFromString(row.data)) return {user.name(), key_of(user_id{row.id})};
  }
  return {};
}

/// Looks through the directories of one store or shard, on a reader thread: nobody is woken for it.
result<shell_table> find_by_name(store_reader& reader, const std::string& name, const owner_name& node) {
  shell_table table{find_columns, {}, {}};
  auto teams = reader.workspaces({}, workspaces_searched_max);
  if (!teams) return teams.failure();
  bool is_cut = teams->size() == workspaces_searched_max;
  std::size_t rows = 0;
  for (const auto& team : *teams) {
    if (team.domain == name) table.rows.push_back(find_row(key_of(team.id), team.domain, node));
    for (auto kind : {directory_record::kind_t::channel, directory_record::kind_t::user}) {
      for (std::uint64_t after = 0; rows < rows_searched_max;) {
        auto page = reader.directory(team.id, kind, after, 1'000);
        if (!page) return page.failure();
        for (const auto& row : *page) {
          auto [called, key] = named_by(row);
          const char* sign = kind == directory_record::kind_t::channel ? "#" : "@";
          if (key && called == name) table.rows.push_back(find_row(*key, sign + called, node));
        }
        rows += page->size();
        if (page->size() < 1'000) break;
        after = page->back().id;
      }
    }
    is_cut |= rows >= rows_searched_max;
  }
  if (is_cut) table.note = "there are too many rows to search them all";
  return table;
}

/// What all shards found; those that didn't answer are named.
std::string gathered(const std::string& name, std::vector<sharded_storage::shard_answer> answers,
                     std::vector<std::string> missing) {
  shell_table all{find_columns, {}, {}};
  for (auto& each : answers) {
    const auto* found = static_cast<const result<shell_table>*>(each.value.get());
    if (!found || !*found) {
      missing.push_back(each.shard);
      continue;
    }
    all.rows.insert(all.rows.end(), (*found)->rows.begin(), (*found)->rows.end());
    if (!(*found)->note.empty()) all.note = (*found)->note;
  }
  std::sort(missing.begin(), missing.end());
  const auto partial = partial_note(missing);
  if (all.rows.empty())
    return failure_reply(
        {errc::not_found, "nothing is called " + name + (partial.empty() ? "" : " (" + partial + ")")});
  if (!partial.empty()) all.note += (all.note.empty() ? "" : "; ") + partial;
  return table_reply(all);
}

}  // namespace

void shell::find(const shell_words& words, io_loop&, answer reply) {
  if (words.arguments.empty()) return reply(failure_reply(usage_of("find")));
  if (auto key = parse_entity_key(words.arguments[0])) return find_by_id(*key, std::move(reply));
  auto name = words.arguments[0];
  if (name.starts_with('#') || name.starts_with('@')) name.erase(0, 1);
  auto look = [name, node = owner_name([this](entity_key key) { return name_of_owner(key); })](store_reader& reader) {
    return find_by_name(reader, name, node);
  };
  if (services_.shards) {
    services_.shards->storage.scatter(
        [look](store_reader& reader) -> std::shared_ptr<void> {
          return std::make_shared<result<shell_table>>(look(reader));
        },
        patience, [name, reply](auto answers, auto missing) { reply(gathered(name, std::move(answers), missing)); });
    return;
  }
  services_.readers.read(0, [look, name, reply](store_reader* reader, errc refused) {
    auto found = reader ? look(*reader) : result<shell_table>(refused);
    if (found && found->rows.empty()) found = error{errc::not_found, "nothing is called " + name};
    reply(found ? table_reply(*found) : failure_reply(found.failure()));
  });
}

/// Only if this node has it: merge_found() knows what to say if nobody has.
void shell::find_by_id(entity_key key, answer reply) {
  inspection::filter filter;
  filter.key = key;
  services_.inspect.entities(filter, [this, key, reply](std::vector<entity_view> views) {
    shell_table table{{"ENTITY", "STATE", "SLOT", "NODE"}, {}, {}};
    if (!views.empty()) {
      const auto cluster = services_.membership ? services_.membership() : nullptr;
      table.rows.push_back({to_text(key), state_of(views[0], cluster.get()), slot_of(key).value, services_.node});
    }
    reply(table_reply(table));
  });
}

std::string shell::merge_found(const shell_words& words, const shell_parts& all) {
  const auto parts = parsed(all);
  if (parts.good.empty()) return with_partial(parts.first_failure, all.partial);
  auto table = merged_table(parts.good, shell_rows_max, "");
  const auto key = parse_entity_key(words.arguments.at(0));
  if (table.rows.empty() && key) {
    const auto owner = name_of_owner(*key);
    table.rows.push_back({to_text(*key), "not active", slot_of(*key).value, owner.empty() ? "nobody" : owner});
  }
  return with_partial(table_reply(table), parts.partial);
}

}  // namespace throng
