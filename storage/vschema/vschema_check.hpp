// SPDX-License-Identifier: Apache-2.0
// What must hold between the parts of a VSchema that each have the right form: vtgate's own rules, as far as they
// concern what is in the file, and that names name something.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/model/result.hpp"
#include "storage/vschema/vschema.hpp"

namespace throng {

/// The first thing that is wrong.
std::optional<error> find_mistake(const vschema& schema);

/// "FILE:LINE: WHAT", errc::invalid_arguments.
error vschema_error(const vschema& schema, std::size_t line, const std::string& what);
/// A name of the file within a sentence: as it is if it is a plain word, else in quotes and cut short.
std::string shown(std::string_view name);
/// " (did you mean NAME?)", or nothing.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> known);

}  // namespace throng
