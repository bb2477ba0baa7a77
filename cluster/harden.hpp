// SPDX-License-Identifier: Apache-2.0
// harden(): takes CAF 0.17's dangerous defaults away from an actor. Without it an actor quits when a peer answers with
// an error, and an unexpected message is answered with one. Every actor is spawned by code that calls it.
#pragma once

#include <exception>

#include <caf/event_based_actor.hpp>

#include "config/log.hpp"

namespace throng {

inline void harden(caf::event_based_actor* self) {
  self->set_default_handler([self](caf::scheduled_actor*, caf::message_view&) -> caf::result<caf::message> {
    const auto* element = self->current_mailbox_element();
    if (element && element->mid.is_request()) return caf::sec::unexpected_message;
    return caf::message{};
  });
  self->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self->set_exception_handler([](caf::scheduled_actor*, std::exception_ptr& failure) -> caf::error {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& e) {
      log::error("an infrastructure actor died: {}", e.what());
    } catch (...) {
      log::error("an infrastructure actor died of something that is not an exception");
    }
    return caf::sec::runtime_error;
  });
}

}  // namespace throng
