// SPDX-License-Identifier: Apache-2.0
// MANIFEST: what an app says about itself, in Slack's JSON form. Read as far as Throng uses it, kept as a whole. Pure.
#pragma once

#include <string_view>

#include "actors/proto/records.pb.h"
#include "storage/model/result.hpp"

namespace throng {

/// An app without id and secrets. errc::invalid_manifest; the detail names the member.
result<AppData> parse_manifest(std::string_view json);

}  // namespace throng
