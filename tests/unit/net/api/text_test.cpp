// SPDX-License-Identifier: Apache-2.0
// The small codecs of net/api: UTF-8, base64, cursors, escaping.
#include <doctest/doctest.h>

#include "net/api/cursor.hpp"
#include "net/api/escaping.hpp"
#include "net/api/utf8.hpp"
#include "storage/base64.hpp"

using namespace throng;

TEST_CASE("utf8: strict about what RFC 3629 forbids") {
  for (std::string_view good : {"", "abc", "é", "€", "😀", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) CHECK(is_utf8(good));
  for (std::string_view bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                               "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "a\xFF"})
    CHECK_FALSE(is_utf8(bad));
  CHECK(character_count("aé€😀") == 4);
  CHECK(first_characters("aé€😀", 3) == "aé€");
  CHECK(first_characters("aé", 5) == "aé");
}

TEST_CASE("base64: the vectors of RFC 4648, and one spelling only") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (auto [plain, coded] : vectors) {
    CHECK(base64_encode(plain) == coded);
    CHECK(base64_decode(coded) == plain);
  }
  for (std::string_view bad : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9"})
    CHECK_FALSE(base64_decode(bad).has_value());
}

TEST_CASE("cursor: comes back as it went out, and as nothing else") {
  for (std::uint64_t position : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    const auto cursor = make_cursor("user", position);
    CHECK(parse_cursor("user", cursor).value() == position);
    CHECK(parse_cursor("channel", cursor).code() == errc::invalid_cursor);
    for (std::size_t i = 0; i < cursor.size(); ++i) {
      auto shorter = cursor;
      shorter.erase(i, 1);
      CHECK_FALSE(parse_cursor("user", shorter).ok());
    }
  }
  CHECK(make_cursor("user", 7) == "dXNlcjo3");  // printf 'user:7' | base64
  CHECK(parse_cursor("user", "").value() == 0);
  for (std::string_view bad :
       {"x", "dXNlcjo=", "dXNlcjotMQ==", "dXNlcjowNw==", "dXNlcjo5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk="})
    CHECK(parse_cursor("user", bad).code() == errc::invalid_cursor);
}

TEST_CASE("escaping: bare signs are escaped, what the client wrote on purpose stays") {
  const std::pair<const char*, const char*> table[] = {
      {"plain é", "plain é"},
      {"a & b < c > d", "a &amp; b &lt; c &gt; d"},
      {"a &amp; b &lt;i&gt;", "a &amp; b &lt;i&gt;"},
      {"&nbsp; &ampx", "&amp;nbsp; &amp;ampx"},
      {"hi <@U1A> in <#C1B|general> <!here> <!subteam^S1>", "hi <@U1A> in <#C1B|general> <!here> <!subteam^S1>"},
      {"<https://a.example/?x=1&amp;y=2|label>", "<https://a.example/?x=1&amp;y=2|label>"},
      {"<mailto:a@b.c|a@b.c>", "<mailto:a@b.c|a@b.c>"},
      {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
      {"<@U1 <@U2>", "&lt;@U1 <@U2>"},
      {"<>", "&lt;&gt;"},
      {"<@", "&lt;@"},
      {"> quote", "&gt; quote"},
  };
  for (auto [in, out] : table) {
    CAPTURE(in);
    CHECK(escape_text(in) == out);
    CHECK(escape_text(out) == out);
  }
}

TEST_CASE("escaping: link_names makes references of bare names") {
  const auto names = mentioned_names("hi @Ann, (@bob.) a@b.c <@U1> @here @ann <https://x/@eve>", 10);
  CHECK(names == std::vector<std::string>{"ann", "bob"});
  const std::pair<std::string, std::string> known[] = {{"ann", "U1A"}};
  CHECK(link_names("hi @Ann. @bob, @here", known) == "hi <@U1A>. @bob, <!here>");
  CHECK(link_names("<https://x/@ann|@ann>", known) == "<https://x/@ann|@ann>");
}
