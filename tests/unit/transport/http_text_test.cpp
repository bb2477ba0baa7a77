// SPDX-License-Identifier: Apache-2.0
#include "net/transport/http_text.hpp"

#include <zlib.h>

#include <doctest/doctest.h>

#include "net/transport/gzip.hpp"

namespace throng {
namespace {

using view_pair = std::pair<std::string_view, std::string_view>;

TEST_CASE("http text: a target is split at its first question mark, and an absolute one loses its host") {
  CHECK(split_target("/api/x?a=1?b") == view_pair{"/api/x", "a=1?b"});
  CHECK(split_target("/api/x") == view_pair{"/api/x", ""});
  CHECK(split_target("http://host:1/api/x?a") == view_pair{"/api/x", "a"});
  CHECK(split_target("http://host") == view_pair{"/", ""});
  CHECK(split_target("http://host?a=1") == view_pair{"/", "a=1"});
  CHECK(split_target("*") == view_pair{"*", ""});
  CHECK(split_target("/x?u=http://y#z") == view_pair{"/x", "u=http://y"});
  CHECK(split_target("x?u=http://y") == view_pair{"x", "u=http://y"});
  CHECK(split_target("") == view_pair{"", ""});
}

TEST_CASE("http text: gzip is used only where it is accepted") {
  CHECK(accepts_gzip("gzip"));
  CHECK(accepts_gzip("deflate, GZIP;q=0.5"));
  CHECK(accepts_gzip("*"));
  CHECK(accepts_gzip("br, *;q=0.1"));
  CHECK_FALSE(accepts_gzip(""));
  CHECK_FALSE(accepts_gzip("gzip;q=0"));
  CHECK_FALSE(accepts_gzip("gzip; q=0.000, *"));
  CHECK_FALSE(accepts_gzip("*, gzip;q=0"));
  CHECK_FALSE(accepts_gzip("identity, br"));
  CHECK_FALSE(accepts_gzip("gzipped"));
}

TEST_CASE("http text: tokens are compared whole and in any case") {
  CHECK(has_token("keep-alive, Upgrade", "upgrade"));
  CHECK_FALSE(has_token("keep-alive, Upgraded", "upgrade"));
  CHECK_FALSE(has_token("", "upgrade"));
}

TEST_CASE("http text: a header that would break the framing is left out") {
  std::string out;
  append_response_head(out, {.content_type = "text/plain", .content_bytes = 3, .date = "D"},
                       {{"X-Good", "1"}, {"X-Bad", "1\r\nInjected: 2"}, {"X\nY", "1"}, {"Content-Length", "99"}});
  CHECK(out == "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nX-Good: 1\r\n\r\n");
}

TEST_CASE("http text: error bodies are JSON whatever the detail holds") {
  CHECK(error_json("a") == R"({"ok":false,"error":"a"})");
  CHECK(error_json("a", "say \"x\\\"\n\xff") == R"({"ok":false,"error":"a","detail":"say \"x\\\"??"})");
}

TEST_CASE("http text: dates are those of RFC 9110") { CHECK(http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"); }

TEST_CASE("gzip: what is compressed comes back, also from the second use of the same state") {
  gzip_compressor gzip;
  for (const char fill : {'a', 'b'}) {
    const std::string plain(100'000, fill);
    const auto small = gzip.compress(plain);
    REQUIRE(small);
    CHECK(small->size() < 1000);
    std::string back(plain.size() + 1, '\0');
    z_stream z{};
    REQUIRE(inflateInit2(&z, 16 + 15) == Z_OK);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(small->data()));
    z.avail_in = static_cast<uInt>(small->size());
    z.next_out = reinterpret_cast<Bytef*>(back.data());
    z.avail_out = static_cast<uInt>(back.size());
    CHECK(inflate(&z, Z_FINISH) == Z_STREAM_END);
    back.resize(back.size() - z.avail_out);
    inflateEnd(&z);
    CHECK(back == plain);
  }
  CHECK_FALSE(gzip.compress("x"));  // would grow
}

}  // namespace
}  // namespace throng
