// SPDX-License-Identifier: Apache-2.0
// LEDGER CLUSTER: a sim cluster of ledgers that are appended to and noted in from every node, with the rules that what
// was acknowledged is in the store once, at one position, and that what a ledger has in memory is in order.
#pragma once

#include <map>
#include <set>
#include <string>

#include "tests/support/ledger_entity.hpp"
#include "tests/support/sim_cluster.hpp"

namespace throng::test {

constexpr std::uint64_t ledgers = 4;

class ledger_cluster : public sim_cluster {
 public:
  ledger_cluster(unsigned seed, std::uint16_t count) : sim_cluster(seed, count, ledger::kinds()) {}

  void move_some() {
    std::vector<slot_move> moves;
    std::set<slot_id> seen;
    for (std::uint64_t id = 1; id <= ledgers; ++id) {
      const auto slot = slot_of(ledger_key(id));
      const auto from = tables.back().owner_of(slot).node;
      const auto to = pick().who.node;
      if (from != to && seen.insert(slot).second) moves.push_back({slot, from, to});
    }
    tables.push_back(tables.back().after(moves));
  }

  void append(member& from, std::uint64_t id, duration patience = std::chrono::seconds(5)) {
    const auto number = ++asked;
    ask(
        from, ledger_key(id), make<BytesValue>(std::to_string(number)),
        [=, this](const auto& answer) {
          ++answered;
          if (answer) {
            acknowledged[id][(*answer)->value()] = number;
          } else {
            ++failed;
            reasons[std::string(to_string(answer.code()))]++;
          }
        },
        patience);
  }
  /// "sender.number", which the ledger keeps in memory only.
  void note(member& from, std::uint64_t id) {
    ++asked;
    const auto text = std::to_string(from.who.node.value) + "." + std::to_string(++last_note[{from.who.node, id}]);
    ask(from, ledger_key(id), make<StringValue>(text), [=, this](const auto& answer) {
      ++answered;
      if (answer)
        ++noted[id];
      else
        ++failed, ++reasons[std::string(to_string(answer.code()))];
    });
  }
  int sent_notes(std::uint64_t id) const {
    int sum = 0;
    for (const auto& [from, count] : last_note)
      if (from.second == id) sum += count;
    return sum;
  }
  std::string notes_of(std::uint64_t id) {
    std::string all = "unanswered";
    ask(pick(), ledger_key(id), make<StringValue>(""),
        [&](const auto& answer) { all = answer ? (*answer)->value() : std::string(to_string(answer.code())); });
    settle();
    return all;
  }
  /// Each sender's notes are in order and none is there twice; how many there are. If nothing was lost, they are dense.
  int check_notes(std::uint64_t id, bool is_dense) {
    std::map<std::string, int> last;
    int count = 0;
    const auto notes = notes_of(id);
    CAPTURE(notes);
    for (std::size_t at = 0; at < notes.size(); ++count) {
      const auto dot = notes.find('.', at), end = std::min(notes.find('|', dot), notes.size());
      const auto number = std::stoi(notes.substr(dot + 1, end - dot - 1));
      auto& before = last[notes.substr(at, dot - at)];
      if (is_dense)
        CHECK(number == before + 1);
      else
        CHECK(number > before);
      before = number;
      at = end + 1;
    }
    return count;
  }

  void step() {
    auto& self = pick();
    switch (random() % 8) {
      case 0:
        append(self, 1 + random() % ledgers);
        break;
      case 1:
        note(self, 1 + random() % ledgers);
        break;
      case 2:
      case 3:
      case 4:
        for (int i = 0; i < 4; ++i) net.deliver_one();
        break;
      case 5:
        work(self);
        break;
      case 6:
        self.runs->run();  // its store takes its time
        break;
      case 7:
        if (random() % 4 == 0) learn(self);
    }
  }

  /// What the store has of a ledger: its positions and whose append each is.
  std::map<seq_t, int> stored(std::uint64_t id) {
    std::map<seq_t, int> all;
    auto events = rows->make_reader()->events_after(ledger_key(id), 0, 100'000);
    REQUIRE(events.ok());
    for (const auto& each : *events) all[each.seq] = std::stoi(each.data);
    return all;
  }
  void check_safety() {
    for (std::uint64_t id = 1; id <= ledgers; ++id) {
      const auto kept = stored(id);
      seq_t next = 1;
      std::set<int> once;
      for (const auto& [seq, number] : kept) {
        CHECK(seq == next++);
        CHECK(once.insert(number).second);
      }
      for (const auto& [seq, number] : acknowledged[id]) {
        REQUIRE(kept.contains(seq));
        CHECK(kept.at(seq) == number);
      }
    }
  }

  int asked = 0, answered = 0, failed = 0;
  std::map<std::string, int> reasons;
  std::map<std::uint64_t, std::map<seq_t, int>> acknowledged;  // by ledger: position → append
  std::map<std::pair<node_index, std::uint64_t>, int> last_note;
  std::map<std::uint64_t, int> noted;  // by ledger
};

}  // namespace throng::test
