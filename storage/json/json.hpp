// SPDX-License-Identifier: Apache-2.0
// JSON out and in. JSON_WRITER appends to a string of the caller's; JSON_DOCUMENT is a read-only view of a text that
// parse_json() has checked. Pure. Bounds: json_limits for what comes in; what goes out is as large as its parts.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/result.hpp"

namespace throng {

/// Writes one JSON text piece by piece: commas and escapes are its business, the nesting is the caller's.
///   json_writer w(out);
///   w.begin_object().member("ok", true).key("ids").begin_array().value("U1").end_array().end_object();
class json_writer {
 public:
  /// Appends to `out`, which must outlive it.
  explicit json_writer(std::string& out) : out_(out) {}

  json_writer& begin_object() { return open('{'); }
  json_writer& end_object() { return close('}'); }
  json_writer& begin_array() { return open('['); }
  json_writer& end_array() { return close(']'); }

  /// `name` is written as it is: no quotes, backslashes or control characters. See text_key() for others.
  json_writer& key(std::string_view name);
  json_writer& text_key(std::string_view name);

  /// Bytes that are not UTF-8 become U+FFFD.
  json_writer& value(std::string_view text);
  json_writer& value(const char* text) { return value(std::string_view(text)); }
  json_writer& value(const std::string& text) { return value(std::string_view(text)); }
  json_writer& value(std::same_as<bool> auto flag) { return raw(flag ? "true" : "false"); }
  json_writer& value(std::integral auto number) requires(!std::same_as<decltype(number), bool>) {
    if constexpr (std::is_signed_v<decltype(number)>)
      return signed_number(number);
    else
      return unsigned_number(number);
  }
  json_writer& null() { return raw("null"); }
  /// `json` must be one well-formed value.
  json_writer& raw(std::string_view json);

  template <class Value>
  json_writer& member(std::string_view name, Value&& v) {
    return key(name).value(std::forward<Value>(v));
  }
  json_writer& raw_member(std::string_view name, std::string_view json) { return key(name).raw(json); }

  /// What it appends to.
  std::string& out() { return out_; }

 private:
  json_writer& open(char bracket);
  json_writer& close(char bracket);
  void separate() {
    if (needs_comma_) out_.push_back(',');
  }
  json_writer& signed_number(std::int64_t number);
  json_writer& unsigned_number(std::uint64_t number);

  std::string& out_;
  bool needs_comma_ = false;
};

/// Appends `text` with quotes and escapes.
void append_json_string(std::string& out, std::string_view text);

struct json_limits {
  std::size_t bytes_max = 1024 * 1024;
  std::size_t depth_max = 64;
  std::size_t values_max = 20'000;  // objects, arrays, keys and scalars together
};

enum class json_type : std::uint8_t { null, boolean, number, string, array, object };

class json_document;

/// One value of a document; two words, copied freely. A value that is not there (find() of an unknown name, or of what
/// is not an object) is `missing`: everything asked of it is none, so look-ups can be chained.
class json_value {
 public:
  json_value() = default;

  bool is_missing() const { return document_ == nullptr; }
  explicit operator bool() const { return !is_missing(); }
  /// REQUIRES: not missing.
  json_type type() const;
  bool is_null() const { return has_type(json_type::null); }
  bool is_string() const { return has_type(json_type::string); }
  bool is_number() const { return has_type(json_type::number); }
  bool is_object() const { return has_type(json_type::object); }
  bool is_array() const { return has_type(json_type::array); }

  std::optional<std::string_view> as_string() const;
  /// A number without fraction and exponent that fits.
  std::optional<std::int64_t> as_int() const;
  std::optional<double> as_number() const;
  std::optional<bool> as_bool() const;
  /// The value as it was written; empty if missing. Lives as long as the parsed text.
  std::string_view raw() const;

  /// Of members with the same name the last, as JavaScript sees it.
  json_value find(std::string_view name) const;
  /// Number of elements or members; 0 for scalars.
  std::size_t size() const;

  /// For each element: `each(json_value)`.
  template <class Function>
  void for_each_element(Function each) const;
  /// For each member in order: `each(std::string_view name, json_value)`.
  template <class Function>
  void for_each_member(Function each) const;

 private:
  friend class json_document;
  json_value(const json_document* document, std::uint32_t index) : document_(document), index_(index) {}
  bool has_type(json_type wanted) const { return document_ && type() == wanted; }

  const json_document* document_ = nullptr;
  std::uint32_t index_ = 0;
};

/// Keeps where each value of the text begins and ends; strings with escapes are kept decoded.
class json_document {
 public:
  /// The text's one value. Values refer to this document: it must neither move nor die before them.
  json_value root() const { return nodes_.empty() ? json_value() : json_value(this, 0); }

 private:
  friend class json_value;
  friend class json_builder;
  friend result<json_document> parse_json(std::string_view text, const json_limits& limits);
  struct node {
    std::uint32_t begin;  // in the text, with quotes and brackets
    std::uint32_t end;
    std::uint32_t next;     // index of the node behind this one and all it holds
    std::uint32_t decoded;  // strings with escapes: where in decoded_, with its size in front; containers: size
    json_type type;
    bool is_decoded;
  };
  std::string_view text_of(const node& string) const;

  std::string_view text_;
  std::vector<node> nodes_;  // in the order of the text; a member is its key's node and then its value's
  std::string decoded_;
};

/// Checks and indexes `text`, which must outlive the document. Never throws. Errors: invalid_json, request_too_large
/// (beyond `limits`); the detail says where and why.
result<json_document> parse_json(std::string_view text, const json_limits& limits = {});

// -- implementation of the templates ---------------------------------------------------------------------------------

template <class Function>
void json_value::for_each_element(Function each) const {
  if (!is_array()) return;
  const auto& nodes = document_->nodes_;
  for (std::uint32_t i = index_ + 1; i < nodes[index_].next; i = nodes[i].next) each(json_value(document_, i));
}

template <class Function>
void json_value::for_each_member(Function each) const {
  if (!is_object()) return;
  const auto& nodes = document_->nodes_;
  for (std::uint32_t i = index_ + 1; i < nodes[index_].next; i = nodes[i + 1].next)
    each(document_->text_of(nodes[i]), json_value(document_, i + 1));
}

}  // namespace throng
