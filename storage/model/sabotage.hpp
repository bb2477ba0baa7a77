// SPDX-License-Identifier: Apache-2.0
// SABOTAGE: promises broken on purpose, to see that throngverify notices. Each place that keeps one of them asks here.
// The answer is fixed when a file is compiled, and it is `no` in every program but the throngd_broken_… ones, which
// tests/broken.cmake builds for tests out of a few sources: no setting, argument or environment can change it.
#pragma once

#ifndef THRONG_SABOTAGE
#define THRONG_SABOTAGE none
#endif

namespace throng::sabotage {

enum class kind { none, ack_before_commit, no_fence, drop_forwarded };

// Not inline: each source has its own, for only some of a broken program's are compiled with THRONG_SABOTAGE.
constexpr kind here = kind::THRONG_SABOTAGE;

/// A CHANNEL publishes and answers at once, and commits a while later.
constexpr bool acks_before_commit = here == kind::ack_before_commit;
/// The store commits whatever the epoch of the write is.
constexpr bool ignores_fences = here == kind::no_fence;
/// What comes while its slot changes hands, and has to wait or to be led on, gets lost.
constexpr bool drops_what_waited = here == kind::drop_forwarded;

}  // namespace throng::sabotage
