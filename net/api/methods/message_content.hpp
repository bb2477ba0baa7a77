// SPDX-License-Identifier: Apache-2.0
// MESSAGE CONTENT: the arguments of chat.* that say what a message holds → MessageData, checked and within its limits.
// Blocks, attachments and metadata are kept as they were sent.
#pragma once

#include <vector>

#include "net/api/methods/lookup.hpp"

namespace throng {

/// Their specs, to be joined with a method's own.
std::vector<argument_spec> content_arguments();

/// Errors: no_text (nothing at all, unless `may_be_empty`), msg_too_long, msg_blocks_too_long, invalid_blocks,
/// invalid_blocks_format, too_many_attachments, invalid_attachments, invalid_metadata, metadata_too_large.
task<result<MessageData>> message_content(api_call& call, bool may_be_empty = false);

/// The JSON rules alone. Pure.
result<> check_blocks(std::string_view json, const api_options& options);
result<> check_attachments(std::string_view json, const api_options& options);
result<> check_metadata(std::string_view json, const api_options& options);

}  // namespace throng
