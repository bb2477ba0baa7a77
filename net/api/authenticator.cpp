// SPDX-License-Identifier: Apache-2.0
#include "net/api/authenticator.hpp"

#include "actors/proto/records.pb.h"
#include "net/api/token_secret.hpp"

namespace throng {

namespace {

caller_ptr admin_of(const std::string& token) {
  if (token.empty()) return nullptr;
  auto admin = std::make_shared<caller_info>();
  admin->kind = caller_kind::admin;
  admin->hash = hash_token(token);
  admin->is_admin = true;
  return admin;
}

/// On a reader thread.
result<caller_ptr> look_up(store_reader& reader, const token_hash& hash) {
  auto token = reader.token(hash);
  if (!token) return token.code() == errc::not_found ? result<caller_ptr>(errc::invalid_auth) : token.failure();
  auto caller = std::make_shared<caller_info>();
  caller->kind = static_cast<caller_kind>(token->type == token_type::user  ? caller_kind::user
                                          : token->type == token_type::bot ? caller_kind::bot
                                                                           : caller_kind::app);
  caller->hash = hash;
  caller->team = token->team;
  caller->user = token->user;
  caller->app = token->app;
  caller->scopes = token->scopes;
  caller->expires = token->expires;
  if (!token->user) return token->is_revoked ? result<caller_ptr>(errc::token_revoked) : caller_ptr(std::move(caller));

  auto record = reader.user(token->user);
  if (!record) return record.code() == errc::not_found ? result<caller_ptr>(errc::account_inactive) : record.failure();
  UserData user;
  if (!user.ParseFromString(record->data)) return error{errc::internal_error, "a user's row can't be read"};
  // Deactivation revokes all of a person's tokens, and clients treat this code as final.
  if (user.is_deleted()) return errc::account_inactive;
  if (token->is_revoked) return errc::token_revoked;
  caller->is_admin = user.is_admin() || user.is_owner() || user.is_primary_owner();
  if (caller->kind == caller_kind::bot) {
    caller->bot = bot_id{user.bot()};
    if (!caller->app) caller->app = app_id{user.app()};
  }
  return caller_ptr(std::move(caller));
}

bool is_expired(const caller_info& caller, wall_time wall) {
  return caller.expires != wall_time{} && caller.expires <= wall;
}

}  // namespace

authenticator::authenticator(reader_pool& readers, std::string admin_token, std::size_t cached_tokens_max,
                             std::chrono::milliseconds cache_ttl, std::size_t lookups_max)
    : readers_(readers),
      admin_(admin_of(admin_token)),
      cache_(cached_tokens_max, cache_ttl),
      lookups_max_(lookups_max) {}

task<result<caller_ptr>> authenticator::authenticate(executor_ptr where, std::string token, steady_time now,
                                                     wall_time wall) {
  if (token.empty()) co_return errc::not_authed;
  const auto hash = hash_token(token);
  if (admin_ && admin_->hash == hash) co_return admin_;
  if (!claimed_type(token)) co_return errc::invalid_auth;
  if (auto cached = cache_.find(hash, now)) {
    if (is_expired(*cached, wall)) co_return errc::token_expired;
    co_return cached;
  }
  if (lookups_->fetch_add(1) >= lookups_max_) {
    lookups_->fetch_sub(1);
    co_return errc::service_unavailable;
  }
  const auto generation = cache_.generation();
  auto found = co_await await_callback<result<caller_ptr>>(
      std::move(where), [this, hash](std::function<void(result<caller_ptr>)> answer) {
        readers_.read(keyspace_id(hash),
                      [hash, lookups = lookups_, answer = std::move(answer)](store_reader* reader, errc refused) {
                        lookups->fetch_sub(1);
                        answer(reader ? look_up(*reader, hash) : result<caller_ptr>(refused));
                      });
      });
  if (!found) co_return found;
  cache_.put(*found, now, generation);
  if (is_expired(**found, wall)) co_return errc::token_expired;
  co_return found;
}

}  // namespace throng
