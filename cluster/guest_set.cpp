// SPDX-License-Identifier: Apache-2.0
#include "cluster/guest_set.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include "cluster/borrowed_logger.hpp"

namespace throng {

std::shared_ptr<slot_shell> guest_set::begin(const loan& what) {
  std::lock_guard lock(mutex_);
  if (is_closed_ || count_ >= guests_max) return nullptr;
  auto& at = places_[{slot_of(what.key), what.epoch}];
  if (!at.shell) {
    at.shell = std::make_shared<slot_shell>(slot_of(what.key));
    at.shell->guest_of = what.lender;
    at.shell->guest_epoch = what.epoch;
    at.lender = what.lender;
    borrowed_logger until_it_is_made;
    at.shell->actor = spawn_slot(system_, services_, *at.shell);
  }
  if (at.keys.insert(what.key).second) ++count_;
  return at.shell;
}

std::shared_ptr<slot_shell> guest_set::find(entity_key key, epoch_t epoch) const {
  std::lock_guard lock(mutex_);
  const auto found = places_.find({slot_of(key), epoch});
  return found != places_.end() && found->second.keys.contains(key) ? found->second.shell : nullptr;
}

std::shared_ptr<slot_shell> guest_set::find(entity_key key) const {
  std::lock_guard lock(mutex_);
  std::shared_ptr<slot_shell> latest;
  for (auto at = places_.lower_bound({slot_of(key), 0}); at != places_.end() && at->first.first == slot_of(key); ++at)
    if (at->second.keys.contains(key)) latest = at->second.shell;
  return latest;
}

void guest_set::end(const loan& what) {
  std::lock_guard lock(mutex_);
  const auto found = places_.find({slot_of(what.key), what.epoch});
  if (found == places_.end() || found->second.keys.erase(what.key) == 0) return;
  --count_;
  if (!found->second.keys.empty()) return;
  caf::anon_send(found->second.shell->actor, slot_input{slot_shutdown{}});
  ending_.push_back(std::move(found->second.shell));
  places_.erase(found);
}

void guest_set::forget_ended() {
  std::vector<std::shared_ptr<slot_shell>> ended;  // go without the lock: so do their actors, with what was unread
  std::lock_guard lock(mutex_);
  std::erase_if(ending_, [&](auto& shell) {
    if (!shell->has_ended.load()) return false;
    ended.push_back(std::move(shell));
    return true;
  });
}

std::vector<std::shared_ptr<slot_shell>> guest_set::shells() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<slot_shell>> all;
  for (const auto& [name, each] : places_) all.push_back(each.shell);
  return all;
}

std::size_t guest_set::size() const {
  std::lock_guard lock(mutex_);
  return count_;
}

void guest_set::close() {
  std::lock_guard lock(mutex_);
  is_closed_ = true;
}

}  // namespace throng
