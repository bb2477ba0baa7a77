// SPDX-License-Identifier: Apache-2.0
#include "storage/router/lookup_steps.hpp"

#include <utility>

#include "config/log.hpp"

namespace throng {

namespace {

// Of one domain: each further one means that somebody else changed it in between.
constexpr unsigned tries_max = 5;

wall_time wall_now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

error no_lookups() { return {errc::internal_error, "the shard keeps no lookups"}; }

lane_task on_lookups(std::function<result<>(lookup_writer&)> work) {
  return [work = std::move(work)](store& shard) -> result<> {
    auto* lookups = lookups_of(shard);
    if (lookups == nullptr) return no_lookups();
    return work(*lookups);
  };
}

}  // namespace

lookup_steps::lookup_steps(shard_doors& doors, const table_routes& routes, const commit_unit& unit)
    : doors_(doors), routes_(routes) {
  for (const auto& op : unit.ops) {
    if (const auto* workspace = std::get_if<put_workspace>(&op))
      domains_.push_back({workspace->row.domain, workspace->row.id});
    const auto* token = std::get_if<put_token>(&op);
    if (token != nullptr && unit.guard.epoch == 0)
      tokens_.push_back({token->row.hash, table_routes::owner_of(token->row)});
  }
}

void lookup_steps::before(commit_queue::callback ready) {
  ready_ = std::move(ready);
  next();
}

void lookup_steps::next() {
  if (domains_done_ < domains_.size()) return look_at_own(domains_[domains_done_]);
  if (tokens_done_ < tokens_.size()) return ask_whose(tokens_[tokens_done_]);
  finish(done);
}

void lookup_steps::finish(result<> outcome) { std::exchange(ready_, nullptr)(std::move(outcome)); }

/// Any error but errc::not_found ends all.
template <class Answer>
void lookup_steps::read(ksid_t place, std::function<result<Answer>(store_reader&)> query,
                        std::function<void(result<Answer>)> then) {
  doors_.read_at(place, [self = shared_from_this(), query = std::move(query), then = std::move(then)](
                            store_reader* reader, errc refused) {
    auto answer = reader != nullptr ? query(*reader) : result<Answer>(error{refused, "a lookup couldn't be read"});
    if (!answer && answer.code() != errc::not_found) return self->finish(answer.failure());
    then(std::move(answer));
  });
}

void lookup_steps::look_at_own(const claimed_domain& claim) {
  tries_ = 0;
  read<workspace_record>(
      routes_.of_key(claim.team.value), [team = claim.team](store_reader& rows) { return rows.workspace(team); },
      [this, &claim](const result<workspace_record>& own) {
        if (own && own->domain == claim.domain) {  // a workspace's row never has a domain that isn't registered
          ++domains_done_;
          return next();
        }
        if (own) former_domains_.push_back({own->domain, claim.team});
        reserve(claim, std::nullopt);
      });
}

void lookup_steps::reserve(const claimed_domain& claim, std::optional<domain_reservation> instead_of) {
  if (++tries_ > tries_max) return finish(error{errc::domain_taken, "others want the domain too"});
  doors_.run_at(slot_of(routes_.of_domain(claim.domain)), on_lookups([claim, instead_of](lookup_writer& lookups) {
                  return lookups.reserve_domain(claim.domain, claim.team, wall_now(),
                                                instead_of ? &*instead_of : nullptr);
                }),
                [self = shared_from_this(), &claim](const result<>& reserved) {
                  if (!reserved && reserved.code() == errc::domain_taken) return self->ask_who_has(claim);
                  if (!reserved) return self->finish(reserved);
                  ++self->domains_done_;
                  self->next();
                });
}

void lookup_steps::ask_who_has(const claimed_domain& claim) {
  read<domain_reservation>(
      routes_.of_domain(claim.domain),
      [domain = claim.domain](store_reader& rows) -> result<domain_reservation> {
        auto* lookups = lookups_of(rows);
        if (lookups == nullptr) return no_lookups();
        return lookups->domain_owner(domain);
      },
      [this, &claim](const result<domain_reservation>& holder) {
        if (!holder || holder->team == claim.team) return reserve(claim, std::nullopt);
        ask_whether_it_has(claim, *holder);
      });
}

void lookup_steps::ask_whether_it_has(const claimed_domain& claim, const domain_reservation& holder) {
  read<workspace_record>(
      routes_.of_key(holder.team.value), [team = holder.team](store_reader& rows) { return rows.workspace(team); },
      [this, &claim, holder](const result<workspace_record>& row) {
        bool is_abandoned = (!row || row->domain != claim.domain) && wall_now() - holder.reserved >= reservation_lasts;
        if (!is_abandoned) return finish(error{errc::domain_taken, "another workspace has the domain"});
        reserve(claim, holder);
      });
}

void lookup_steps::ask_whose(const claimed_token& claim) {
  read<std::uint64_t>(
      routes_.of_token_hash(claim.hash),
      [hash = claim.hash](store_reader& rows) -> result<std::uint64_t> {
        auto* lookups = lookups_of(rows);
        if (lookups == nullptr) return no_lookups();
        return lookups->token_owner(hash);
      },
      [this, &claim](const result<std::uint64_t>& owner) {
        if (owner && *owner != claim.owner) former_tokens_.push_back({claim.hash, *owner});
        if (!owner || *owner != claim.owner) return write_owner(claim);
        ++tokens_done_;
        next();
      });
}

void lookup_steps::write_owner(const claimed_token& claim) {
  doors_.run_at(slot_of(routes_.of_token_hash(claim.hash)), on_lookups([claim](lookup_writer& lookups) {
                  return lookups.put_token_owner(claim.hash, claim.owner);
                }),
                [self = shared_from_this()](const result<>& written) {
                  if (!written) return self->finish(written);
                  ++self->tokens_done_;
                  self->next();
                });
}

void lookup_steps::after(std::function<void()> ready) {
  cleared_ = std::move(ready);
  for (const auto& kept : domains_)  // one that a unit leaves and comes back to
    std::erase_if(former_domains_, [&](const auto& former) { return former.domain == kept.domain; });
  clear_next();
}

void lookup_steps::clear_next() {
  auto then = [self = shared_from_this()](const result<>& cleared) {
    if (!cleared) log::warn("a row that nobody points at is left over: {}", cleared.failure().detail);
    self->clear_next();
  };
  if (!former_domains_.empty()) {
    auto former = std::move(former_domains_.back());
    former_domains_.pop_back();
    return doors_.run_at(slot_of(routes_.of_domain(former.domain)), on_lookups([former](lookup_writer& lookups) {
                           return lookups.forget_domain(former.domain, former.team);
                         }),
                         std::move(then));
  }
  if (!former_tokens_.empty()) {
    auto former = former_tokens_.back();
    former_tokens_.pop_back();
    return doors_.run_at(slot_of(routes_.of_key(former.owner)), on_lookups([former](lookup_writer& lookups) {
                           return lookups.erase_token(former.owner, former.hash);
                         }),
                         std::move(then));
  }
  std::exchange(cleared_, nullptr)();
}

}  // namespace throng
