// SPDX-License-Identifier: Apache-2.0
// A watch on what a blocking query of Consul answers: parsed on the query's thread, told on the watch thread, and only
// if it isn't what was told last. Internal to the Consul topology and services.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "cluster/consul_client.hpp"
#include "cluster/consul_query.hpp"
#include "storage/topology/watch_thread.hpp"

namespace throng {

template <class State>
class consul_watch final : public topology_store::handle {
 public:
  using parser = std::function<result<State>(const consul_answer&)>;

  consul_watch(watch_thread& thread, std::shared_ptr<consul_client> client, std::string target, parser parse,
               std::function<void(State)> changed)
      : parse_(std::move(parse)),
        telling_(thread.start(std::nullopt,
                              [news = news_, changed = std::move(changed)] {
                                std::unique_lock lock(news->mutex);
                                auto now = std::exchange(news->untold, std::nullopt);
                                lock.unlock();
                                if (now) changed(std::move(*now));  // the watch may be gone after it
                                return true;
                              })),
        query_(std::move(client), std::move(target), [this](const consul_answer& answer) { return take(answer); }) {}

 private:
  struct news {
    std::mutex mutex;
    std::optional<State> untold;
  };

  result<> take(const consul_answer& answer) {
    auto now = parse_(answer);
    if (!now) return now.failure();
    if (last_ && *last_ == *now) return done;  // something else has changed
    last_ = *now;
    {
      std::lock_guard lock(news_->mutex);
      news_->untold = std::move(*now);
    }
    telling_->wake();
    return done;
  }

  parser parse_;
  std::shared_ptr<news> news_ = std::make_shared<news>();
  std::optional<State> last_;  // the query's thread only
  std::unique_ptr<watch_thread::watch> telling_;
  consul_query query_;  // last: it uses the others
};

}  // namespace throng
