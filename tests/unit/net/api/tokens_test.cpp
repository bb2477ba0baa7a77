// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <stdlib.h>
#include <sys/stat.h>

#include <doctest/doctest.h>

#include "net/api/admin_token.hpp"
#include "net/api/scopes.hpp"
#include "net/api/token_cache.hpp"
#include "net/api/token_secret.hpp"

using namespace throng;
using namespace std::chrono_literals;

namespace {

caller_ptr caller(std::uint8_t hash, std::uint64_t user) {
  auto made = std::make_shared<caller_info>();
  made->hash[0] = hash;
  made->user.value = user;
  return made;
}

token_hash hash(std::uint8_t first) {
  token_hash h{};
  h[0] = first;
  return h;
}

}  // namespace

TEST_CASE("tokens: look like Slack's, differ, and are known by their SHA-256") {
  CHECK(make_token(token_type::user).starts_with("xoxp-"));
  CHECK(make_token(token_type::bot).starts_with("xoxb-"));
  CHECK(make_token(token_type::app).starts_with("xapp-"));
  CHECK(make_token(token_type::bot) != make_token(token_type::bot));
  CHECK(claimed_type(make_token(token_type::bot)) == token_type::bot);
  CHECK_FALSE(claimed_type("xoxc-1234567890").has_value());
  CHECK_FALSE(claimed_type("xoxb-").has_value());
  const auto abc = hash_token("abc");  // FIPS 180-2, appendix B.1
  CHECK(abc[0] == 0xba);
  CHECK(abc[31] == 0xad);
  CHECK(random_hex(32).size() == 32);
  CHECK(random_hex(64).find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(same_secret("ab", "ab"));
  CHECK_FALSE(same_secret("ab", "ac"));
  CHECK_FALSE(same_secret("ab", "abc"));
}

TEST_CASE("scopes: any one of the accepted is enough, and old names stand for new ones") {
  CHECK(has_any_scope("", ""));
  CHECK_FALSE(has_any_scope("", "chat:write"));
  CHECK(has_any_scope("users:read,chat:write", "im:read,chat:write"));
  CHECK_FALSE(has_any_scope("users:read.email", "users:read"));
  CHECK(has_any_scope("bot", "chat:write"));
  CHECK(has_any_scope("chat:write:user", "chat:write"));
  CHECK_FALSE(has_any_scope("bot", "dnd:write"));
  CHECK(normal_scopes(" chat:write, ,chat:write,im:read").value() == "chat:write,im:read");
  CHECK(normal_scopes("chat:write,nonsense").code() == errc::invalid_scope);
  for (auto type : {token_type::user, token_type::bot, token_type::app})
    CHECK(normal_scopes(all_scopes(type)).value() == all_scopes(type));
}

TEST_CASE("token cache: an entry lives for its time, and the least recently used goes first") {
  token_cache cache(2, 10s);
  const steady_time start{};
  cache.put(caller(1, 1), start, 0);
  cache.put(caller(2, 2), start, 0);
  REQUIRE(cache.find(hash(1), start));
  cache.put(caller(3, 3), start, 0);
  CHECK(cache.size() == 2);
  CHECK(cache.find(hash(1), start));
  CHECK_FALSE(cache.find(hash(2), start));
  CHECK(cache.find(hash(3), start + 9s));
  CHECK_FALSE(cache.find(hash(3), start + 10s));
}

TEST_CASE("token cache: what was read before a revocation is not kept after it") {
  token_cache cache(10, 10s);
  const steady_time start{};
  const auto before = cache.generation();
  cache.forget(hash(1));
  cache.put(caller(1, 1), start, before);
  CHECK_FALSE(cache.find(hash(1), start));
  cache.put(caller(1, 1), start, cache.generation());
  cache.put(caller(2, 1), start, cache.generation());
  cache.put(caller(3, 3), start, cache.generation());
  cache.forget_user(user_id{1});
  CHECK(cache.size() == 1);
  CHECK(cache.find(hash(3), start));
}

TEST_CASE("admin token: made once, private, and refused if others may read it") {
  char folder[] = "/tmp/throng-admin-XXXXXX";
  REQUIRE(::mkdtemp(folder));
  const std::string path = std::string(folder) + "/admin.token";
  auto first = load_admin_token(path);
  REQUIRE(first.ok());
  CHECK(first->size() > 40);
  CHECK(load_admin_token(path).value() == *first);
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
  ::chmod(path.c_str(), 0644);
  CHECK_FALSE(load_admin_token(path).ok());
  ::chmod(path.c_str(), 0600);
  std::ofstream(path) << "short\n";
  CHECK_FALSE(load_admin_token(path).ok());
  CHECK_FALSE(load_admin_token(std::string(folder) + "/none/admin.token").ok());
  CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 1);  // nothing is left beside it
  std::filesystem::remove_all(folder);
}
