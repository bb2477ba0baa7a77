// SPDX-License-Identifier: Apache-2.0
// The only file that knows RapidJSON (DECISIONS.md says why that one). Its iterative reader checks the text; the
// builder notes where each value begins and ends, so a value can be handed on exactly as it was written.
#include <charconv>
#include <cstring>

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include "storage/json/json.hpp"
#include "storage/model/assert.hpp"

namespace throng {

/// Takes RapidJSON's calls. They come in the order of the text, with the stream behind a scalar, at a container's
/// bracket, so the gaps between the calls hold nothing but white space, commas and colons.
class json_builder {
 public:
  json_builder(json_document& document, const rapidjson::MemoryStream& stream, const json_limits& limits)
      : document_(document), stream_(stream), limits_(limits) {
    open_.reserve(8);
  }

  bool Null() { return scalar(json_type::null); }
  bool Bool(bool) { return scalar(json_type::boolean); }
  bool RawNumber(const char*, rapidjson::SizeType, bool) { return scalar(json_type::number); }
  bool String(const char* text, rapidjson::SizeType size, bool) { return string(text, size); }
  bool Key(const char* text, rapidjson::SizeType size, bool) { return string(text, size); }
  bool StartObject() { return start(json_type::object); }
  bool StartArray() { return start(json_type::array); }
  bool EndObject(rapidjson::SizeType count) { return end(count); }
  bool EndArray(rapidjson::SizeType count) { return end(count); }
  // With kParseNumbersAsStringsFlag these never come.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

  bool is_over_limit() const { return is_over_limit_; }

 private:
  std::uint32_t position() const { return static_cast<std::uint32_t>(stream_.Tell()); }

  bool add(json_type type, std::uint32_t end) {
    auto& nodes = document_.nodes_;
    if (nodes.size() >= limits_.values_max) {
      is_over_limit_ = true;
      return false;
    }
    auto begin = last_end_;
    while (std::strchr(" \t\r\n,:", document_.text_[begin])) ++begin;
    nodes.push_back({begin, end, static_cast<std::uint32_t>(nodes.size() + 1), 0, type, false});
    last_end_ = end;
    return true;
  }

  bool scalar(json_type type) { return add(type, position()); }

  bool string(const char* text, rapidjson::SizeType size) {
    if (!add(json_type::string, position())) return false;
    auto& node = document_.nodes_.back();
    if (node.end - node.begin == size + 2) return true;  // no escapes
    auto& decoded = document_.decoded_;
    node.is_decoded = true;
    node.decoded = static_cast<std::uint32_t>(decoded.size());
    decoded.append(reinterpret_cast<const char*>(&size), sizeof size);
    decoded.append(text, size);
    return true;
  }

  bool start(json_type type) {
    if (open_.size() >= limits_.depth_max) {
      is_over_limit_ = true;
      return false;
    }
    open_.push_back(static_cast<std::uint32_t>(document_.nodes_.size()));
    return add(type, position() + 1);
  }

  bool end(rapidjson::SizeType count) {
    auto& node = document_.nodes_[open_.back()];
    open_.pop_back();
    node.end = last_end_ = position() + 1;
    node.next = static_cast<std::uint32_t>(document_.nodes_.size());
    node.decoded = count;
    return true;
  }

  json_document& document_;
  const rapidjson::MemoryStream& stream_;
  const json_limits& limits_;
  std::vector<std::uint32_t> open_;
  std::uint32_t last_end_ = 0;
  bool is_over_limit_ = false;
};

result<json_document> parse_json(std::string_view text, const json_limits& limits) {
  if (text.size() > limits.bytes_max || text.size() >= UINT32_MAX)
    return error{errc::request_too_large, "JSON of " + std::to_string(text.size()) + " bytes; at most " +
                                              std::to_string(limits.bytes_max) + " are taken"};
  json_document document;
  document.text_ = text;
  document.nodes_.reserve(std::min<std::size_t>(text.size() / 8 + 4, limits.values_max));

  rapidjson::MemoryStream stream(text.data(), text.size());
  json_builder builder(document, stream, limits);
  rapidjson::Reader reader;
  constexpr unsigned flags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;
  const auto outcome = reader.Parse<flags>(stream, builder);
  if (builder.is_over_limit())
    return error{errc::request_too_large, "JSON is deeper than " + std::to_string(limits.depth_max) +
                                              " or has more than " + std::to_string(limits.values_max) + " values"};
  if (outcome.IsError())
    return error{errc::invalid_json, "not JSON at byte " + std::to_string(outcome.Offset()) + ": " +
                                         rapidjson::GetParseError_En(outcome.Code())};
  // The reader takes a NUL for the end.
  if (stream.Tell() != text.size())
    return error{errc::invalid_json, "not JSON at byte " + std::to_string(stream.Tell()) + ": a NUL character"};
  return document;
}

std::string_view json_document::text_of(const node& string) const {
  if (!string.is_decoded) return text_.substr(string.begin + 1, string.end - string.begin - 2);
  rapidjson::SizeType size;
  std::memcpy(&size, decoded_.data() + string.decoded, sizeof size);
  return {decoded_.data() + string.decoded + sizeof size, size};
}

json_type json_value::type() const {
  THRONG_ASSERT(document_);
  return document_->nodes_[index_].type;
}

std::optional<std::string_view> json_value::as_string() const {
  if (!is_string()) return std::nullopt;
  return document_->text_of(document_->nodes_[index_]);
}

namespace {
template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}
}  // namespace

std::optional<std::int64_t> json_value::as_int() const {
  return is_number() ? number_of<std::int64_t>(raw()) : std::nullopt;
}

std::optional<double> json_value::as_number() const { return is_number() ? number_of<double>(raw()) : std::nullopt; }

std::optional<bool> json_value::as_bool() const {
  if (!has_type(json_type::boolean)) return std::nullopt;
  return raw().front() == 't';
}

std::string_view json_value::raw() const {
  if (!document_) return {};
  const auto& node = document_->nodes_[index_];
  return document_->text_.substr(node.begin, node.end - node.begin);
}

json_value json_value::find(std::string_view name) const {
  json_value found;
  for_each_member([&](std::string_view member, json_value value) {
    if (member == name) found = value;
  });
  return found;
}

std::size_t json_value::size() const { return is_object() || is_array() ? document_->nodes_[index_].decoded : 0; }

}  // namespace throng
