// SPDX-License-Identifier: Apache-2.0
// The pairs of actors/protocol.hpp are what the services say: the file is read as text, since a template's
// specialisations can't be listed.

// g++ 12 calls <regex> uninitialised when it instruments it for the address sanitizer.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "actors/protocol.hpp"

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include <doctest/doctest.h>
#include <google/protobuf/descriptor.h>

using namespace throng;

namespace {

using pairs = std::map<std::string, std::string>;  // request → reply, without the namespace

pairs declared_pairs() {
  std::ifstream file(THRONG_SOURCE_DIR "/actors/protocol.hpp");
  REQUIRE(file);
  std::stringstream text;
  text << file.rdbuf();
  auto all = text.str();
  pairs found;
  std::regex line(R"(THRONG_RPC\(throng::(\w+), throng::(\w+)\);)");
  for (std::sregex_iterator each(all.begin(), all.end(), line), end; each != end; ++each)
    found[(*each)[1]] = (*each)[2];
  return found;
}

pairs service_pairs() {
  pairs found;
  for (const auto* file : {Message::descriptor()->file(), Event::descriptor()->file(),
                           PostRequest::descriptor()->file(), OpenSessionRequest::descriptor()->file(),
                           CreateUserRequest::descriptor()->file(), CreateWorkspaceRequest::descriptor()->file()})
    for (int s = 0; s < file->service_count(); ++s)
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const auto* method = file->service(s)->method(m);
        found[method->input_type()->name()] = method->output_type()->name();
      }
  return found;
}

}  // namespace

TEST_CASE("protocol: every rpc of every service has its pair, and there are no others") {
  auto declared = declared_pairs();
  CHECK(declared.size() > 50);
  for (const auto& [request, reply] : service_pairs()) {
    CAPTURE(request);
    CHECK(declared[request] == reply);
  }
  CHECK(declared == service_pairs());
}

TEST_CASE("protocol: asking with a request gives the reply type that the service names") {
  CHECK(std::is_same_v<reply_of_t<PostRequest>, PostReply>);
  CHECK(std::is_same_v<reply_of_t<CreateMemberRequest>, MemberReply>);
}
