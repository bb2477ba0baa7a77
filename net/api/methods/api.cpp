// SPDX-License-Identifier: Apache-2.0
// api.*: whether one is understood.
#include "net/api/api_call.hpp"

namespace throng {

namespace {

task<result<>> test(api_call& call) {
  if (call.args.has("error")) {
    call.error_text = call.args.text("error");
    co_return errc::internal_error;
  }
  call.reply.key("args").begin_object();
  for (const auto& each : call.given.all())
    if (each.name != "token" && each.kind != argument::kind_t::file) call.reply.text_key(each.name).value(each.value);
  call.reply.end_object();
  co_return done;
}

}  // namespace

std::span<const api_method> api_methods() {
  static const std::vector<api_method> methods{
      {"api.test", rate_tier::tier4, 0, {}, {{"error"}}, test},
  };
  return methods;
}

}  // namespace throng
