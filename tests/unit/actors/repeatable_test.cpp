// SPDX-License-Identifier: Apache-2.0
#include "actors/repeatable.hpp"

#include <doctest/doctest.h>

#include "actors/protocol.hpp"

using namespace throng;

TEST_CASE("repeatable: what says so may be asked twice, other changes may not") {
  CHECK(is_repeatable(HistoryRequest{}));
  CHECK(is_repeatable(ReplayRequest{}));
  CHECK(is_repeatable(UsersRequest{}));
  CHECK(is_repeatable(GetUserRequest{}));
  CHECK(is_repeatable(PresenceQuery{}));
  CHECK(is_repeatable(AddChannelRequest{}));  // says where it stands
  CHECK(is_repeatable(OpenSessionRequest{}));
  CHECK_FALSE(is_repeatable(JoinRequest{}));
  CHECK_FALSE(is_repeatable(AttachRequest{}));
  CHECK_FALSE(is_repeatable(AnnounceRequest{}));
  CHECK_FALSE(is_repeatable(SignedOut{}));
  CHECK_FALSE(is_repeatable(EphemeralRequest{}));
}

TEST_CASE("repeatable: a post may be sent twice if it has a name of its own") {
  PostRequest post;
  CHECK_FALSE(is_repeatable(post));
  post.set_client_msg_id("3f1c");
  CHECK(is_repeatable(post));
}
