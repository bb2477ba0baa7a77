// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/run_facts.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace throng::verify {

namespace {

constexpr std::array<std::string_view, 4> persons_subtypes{"", "thread_broadcast", "me_message", "bot_message"};

bool is_call(happening what) { return what >= happening::post && what <= happening::kick; }

}  // namespace

const read_facts::entry* read_facts::find(message_ts ts) const {
  const auto at = std::ranges::lower_bound(entries, ts, {}, &entry::ts);
  return at != entries.end() && at->ts == ts ? &*at : nullptr;
}

run_facts::run_facts(const history& of) : log(of), sockets(1), chains(1) {
  for (std::size_t at = 0; at < log.events.size(); ++at) {
    const auto& each = log.events[at];
    if (each.channel && each.what != happening::received) channels.try_emplace(each.channel, false);
    if (is_call(each.what)) note_call(each, at);
    switch (each.what) {
      case happening::channel_made:
        channels[each.channel] = each.flag;
        break;
      case happening::member_added:
        members_[{each.channel, each.user}].is_first = true;
        break;
      case happening::socket_opened:
      case happening::socket_hello:
      case happening::socket_closed:
        note_socket(each, at);
        break;
      case happening::received:
        if (each.seq) streams[each.stream.value].push_back({each.seq, each.epoch, at});
        if (is_post_frame(each)) posts_.try_emplace({each.channel, each.ts}, each.op);
        break;
      case happening::read_begun:
      case happening::read_entry:
      case happening::read_ended:
        note_read(each, at);
        break;
      case happening::settled:
        if (settled == no_event) settled = at, settled_ns = each.at_ns;
        break;
      default:
        break;
    }
  }
  for (auto& [stream, seen] : streams) std::ranges::stable_sort(seen, {}, &sighting::seq);
  finish_ops();
  finish_chains();
  finish_reads();
}

// -- operations

void run_facts::note_call(const history_event& event, std::size_t at) {
  const auto [place, is_new] = op_index_.try_emplace(event.op, static_cast<std::uint32_t>(ops.size()));
  if (is_new) {
    ops.emplace_back();
    auto& first = ops.back();
    first.op = event.op;
    first.what = event.what;
    first.client = event.client;
    first.user = event.user;
    first.channel = event.channel;
    first.over = event.socket;
    first.event = at;
    if (event.what != happening::post) first.ts = event.ts;
  }
  auto& op = ops[place->second];
  switch (event.phase) {
    case phase::invoked:
      ++op.tries;
      op.invoked_ns = std::min(op.invoked_ns, event.at_ns);
      op.has_client_msg_id = op.tries == 1 ? event.flag : op.has_client_msg_id && event.flag;
      break;
    case phase::acknowledged:
      ++op.answers;
      if (!op.is_acknowledged) {
        op.is_acknowledged = true;
        op.acknowledged_ns = event.at_ns;
        if (op.what == happening::post) op.ts = event.ts;
      } else if (op.what == happening::post && op.ts != event.ts) {
        op.other_ts = event.ts;
      }
      op.ended_ns = event.at_ns;
      break;
    case phase::refused:
      if (is_outcome_unknown(log.name(event.detail))) break;
      ++op.answers;
      ++op.refusals;
      op.ended_ns = event.at_ns;
      break;
    case phase::unknown:
    case phase::none:
      break;
  }
}

void run_facts::finish_ops() {
  for (std::uint32_t i = 0; i < ops.size(); ++i) {
    auto& op = ops[i];
    // A post that is repeated with its id is carried out once, and that was before any acknowledgement.
    const bool is_once = op.what == happening::post && op.has_client_msg_id && op.is_acknowledged;
    if (is_once)
      op.ended_ns = op.acknowledged_ns;
    else if (op.answers < op.tries)
      op.ended_ns = never;
    switch (op.what) {
      case happening::post:
        if (op.is_acknowledged) posts_[{op.channel, op.ts}] = op.op;
        break;
      case happening::edit:
      case happening::remove:
        changes_[{op.channel, op.ts}].push_back(i);
        break;
      default:
        members_[{op.channel, op.user}].ops.push_back(i);
        break;
    }
  }
}

const op_facts* run_facts::find(op_id op) const {
  const auto found = op_index_.find(op);
  return found == op_index_.end() ? nullptr : &ops[found->second];
}

op_id run_facts::post_at(channel_id channel, message_ts ts) const {
  const auto found = posts_.find({channel, ts});
  return found == posts_.end() ? op_id() : found->second;
}

std::vector<const op_facts*> run_facts::ops_on(happening what, channel_id channel, message_ts ts) const {
  std::vector<const op_facts*> list;
  const auto found = changes_.find({channel, ts});
  if (found == changes_.end()) return list;
  for (const auto i : found->second)
    if (ops[i].what == what) list.push_back(&ops[i]);
  return list;
}

// -- frames

bool run_facts::is_persons_post(name_index subtype) const {
  return std::ranges::find(persons_subtypes, log.name(subtype)) != persons_subtypes.end();
}

frame_kind run_facts::kind_of(const history_event& received) const {
  if (log.name(received.detail) != "message") return frame_kind::other;
  const auto subtype = log.name({received.other});
  if (subtype == "message_changed") return frame_kind::change;
  if (subtype == "message_deleted") return frame_kind::deletion;
  return received.seq ? frame_kind::post : frame_kind::other;  // message_replied and what only one person sees
}

bool run_facts::is_post_frame(const history_event& received) const {
  return kind_of(received) == frame_kind::post && !received.flag && is_persons_post({received.other});
}

// -- sockets

void run_facts::note_socket(const history_event& event, std::size_t at) {
  if (event.socket.value >= sockets.size()) sockets.resize(event.socket.value + 1);
  auto& socket = sockets[event.socket.value];
  if (event.what == happening::socket_opened) {
    socket.client = event.client;
    socket.user = log.user_of(event.client);
    socket.previous = {event.other};
    socket.opened = at;
  } else if (event.what == happening::socket_hello) {
    socket.hello = at;
    socket.is_resumed = event.flag;
  } else {
    socket.closed = at;
  }
}

void run_facts::finish_chains() {
  for (std::uint32_t i = 1; i < sockets.size(); ++i) {
    auto& one = sockets[i];
    const bool has_previous = one.previous && one.previous.value < i;
    const auto before = has_previous ? sockets[one.previous.value].chain : 0;
    if (one.hello == no_event) {
      one.chain = before;
      continue;
    }
    if (before != 0 && one.is_resumed) {
      one.chain = before;
    } else {
      one.chain = static_cast<std::uint32_t>(chains.size());
      chains.emplace_back();
      chains.back().client = one.client;
      chains.back().user = one.user;
      chains.back().since_ns = event(one.hello).at_ns;
    }
    auto& chain = chains[one.chain];
    chain.sockets.push_back({i});
    chain.is_alive_at_end =
        settled != no_event && one.hello < settled && (one.closed == no_event || one.closed > settled);
  }
}

// -- reads

void run_facts::note_read(const history_event& event, std::size_t at) {
  const auto [place, is_new] = read_index_.try_emplace(event.other, static_cast<std::uint32_t>(reads.size()));
  if (is_new) reads.emplace_back();
  auto& read = reads[place->second];
  if (event.what == happening::read_begun) {
    read.channel = event.channel;
    read.event = at;
    read.is_final = settled != no_event;
  } else if (event.what == happening::read_entry) {
    read.entries.push_back({event.ts, event.op, event.detail, event.flag, at});
  } else {
    read.is_whole = event.flag;
  }
}

void run_facts::finish_reads() {
  for (auto& read : reads) {
    auto& list = read.entries;
    if (list.size() > 1 && list.front().ts > list.back().ts) std::ranges::reverse(list);
    const auto unordered = std::ranges::adjacent_find(list, std::greater_equal(), &read_facts::entry::ts);
    read.is_in_order = unordered == list.end();
    if (!read.is_in_order) std::ranges::stable_sort(list, {}, &read_facts::entry::ts);
  }
}

std::vector<const read_facts*> run_facts::final_reads(channel_id channel) const {
  std::vector<const read_facts*> list;
  for (const auto& read : reads)
    if (read.channel == channel && read.is_whole && read.is_final) list.push_back(&read);
  return list;
}

// -- members

bool run_facts::is_surely_member(channel_id channel, user_id user, std::int64_t from_ns, std::int64_t to_ns) const {
  const auto found = members_.find({channel, user});
  if (found == members_.end()) return false;
  // Of the calls that put her in and were over by then the one that was invoked last; no call that takes her out may
  // have come after it.
  std::optional<std::int64_t> in_since;
  if (found->second.is_first) in_since = std::numeric_limits<std::int64_t>::min();
  for (const auto i : found->second.ops)
    if (adds(ops[i]) && ops[i].is_acknowledged && ops[i].acknowledged_ns < from_ns)
      in_since = std::max(in_since.value_or(ops[i].invoked_ns), ops[i].invoked_ns);
  if (!in_since) return false;
  return std::ranges::none_of(found->second.ops, [&](std::uint32_t i) {
    const auto& op = ops[i];
    return !adds(op) && op.may_be_done() && op.invoked_ns <= to_ns && op.ended_ns >= *in_since;
  });
}

bool run_facts::may_be_member(channel_id channel, user_id user, std::int64_t from_ns, std::int64_t to_ns) const {
  const auto found = members_.find({channel, user});
  if (found == members_.end()) return false;
  const auto& all = found->second.ops;
  // Out for sure: a call took her out before, and none that may have put her in can have come after it.
  std::int64_t out_since = found->second.is_first ? never : std::numeric_limits<std::int64_t>::min();
  for (const auto i : all)
    if (!adds(ops[i]) && ops[i].is_acknowledged && ops[i].acknowledged_ns < from_ns)
      out_since = out_since == never ? ops[i].invoked_ns : std::max(out_since, ops[i].invoked_ns);
  if (out_since == never) return true;
  return std::ranges::any_of(all, [&](std::uint32_t i) {
    const auto& op = ops[i];
    return adds(op) && op.may_be_done() && op.invoked_ns <= to_ns && op.ended_ns >= out_since;
  });
}

bool run_facts::may_have_left(channel_id channel, user_id user, std::int64_t until_ns) const {
  const auto found = members_.find({channel, user});
  if (found == members_.end()) return false;
  return std::ranges::any_of(found->second.ops, [&](std::uint32_t i) {
    return !adds(ops[i]) && ops[i].may_be_done() && ops[i].invoked_ns <= until_ns;
  });
}

}  // namespace throng::verify
