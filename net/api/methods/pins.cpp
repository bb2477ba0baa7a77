// SPDX-License-Identifier: Apache-2.0
// pins.*
#include "net/api/api_call.hpp"

namespace throng {

namespace {

task<result<>> pin(api_call& call, bool is_added) {
  PinRequest request;
  *request.mutable_caller() = call.caller();
  request.set_ts(call.args.ts("timestamp").micros);
  request.set_is_added(is_added);
  auto changed = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!changed) co_return changed.failure();
  co_return done;
}

task<result<>> add(api_call& call) { return pin(call, true); }
task<result<>> remove(api_call& call) { return pin(call, false); }

task<result<>> list(api_call& call) {
  PinsRequest request;
  *request.mutable_caller() = call.caller();
  auto found = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!found) co_return found.failure();
  call.reply.key("items").begin_array();
  for (const auto& item : (*found)->items()) render_pin_item(call.reply, item.pin(), item.message(), call.view());
  call.reply.end_array();
  co_return done;
}

}  // namespace

std::span<const api_method> pin_methods() {
  using enum argument_kind;
  constexpr auto required = presence_rule::required;
  static const argument_spec one_channel{"channel", channel, required};
  static const argument_spec message{"timestamp", ts, required, errc::no_item_specified, errc::bad_timestamp};
  static const std::vector<api_method> methods{
      {"pins.add", rate_tier::tier2, people, "pins:write", {one_channel, message}, add},
      {"pins.remove", rate_tier::tier2, people, "pins:write", {one_channel, message}, remove},
      {"pins.list", rate_tier::tier2, people, "pins:read", {one_channel}, list},
  };
  return methods;
}

}  // namespace throng
