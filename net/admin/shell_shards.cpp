// SPDX-License-Identifier: Apache-2.0
// The shell's commands about the store: what it is made of, what it holds, and what a call asks of it.
#include "actors/protocol.hpp"
#include "net/admin/shell.hpp"
#include "net/admin/shell_reply.hpp"
#include "net/admin/shell_storage.hpp"
#include "net/api/method.hpp"

namespace throng {

namespace {

constexpr std::size_t statements_max = 10'000;

std::uint64_t calls_so_far(const api_server& api) {
  std::uint64_t calls = 0;
  for (const auto& [_, figures] : api.figures()) calls += figures->calls.load(std::memory_order_relaxed);
  return calls;
}

std::string outcome_of(const http_response& response) {
  const auto document = parse_json(response.body);
  if (!document) return "not JSON";
  if (document->root().find("ok").as_bool().value_or(false)) return "ok";
  return std::string(document->root().find("error").as_string().value_or("no error"));
}

}  // namespace

std::vector<shell::command> shell::storage_commands() {
  return {
      {"shards", "shards [--servers]", "the store's shards, how they do, and the servers they are on", false,
       &shell::shards},
      {"rows", "rows [--exact]", "how many rows each table has in each shard", false, &shell::rows},
      {"explain", "explain METHOD [NAME=VALUE]…",
       "calls the API (give token=…), and shows what it asks of the database", true, &shell::explain},
      {"reparent", "reparent SHARD SERVER", "make another server the shard's primary", true, &shell::reparent},
      {"reshard",
       "reshard plan|start SHARDS TARGET=SERVERS… [--rate ROWS/S] | status|verify|switch|reverse|cancel | "
       "complete [--drop-data]",
       "split and merge shards while they serve: reshard start - -80=h:1,h:2 80-=h:3,h:4", true, &shell::reshard},
  };
}

void shell::on_storage(std::function<std::string(storage_admin&)> job, answer reply) {
  if (!services_.storage) return reply(failure_reply({errc::not_found, "this node doesn't say what its store is"}));
  auto run = [storage = services_.storage, job = std::move(job), reply] {
    std::string answered;
    try {
      answered = job(*storage);
    } catch (const std::exception& thrown) {  // ends this command, not the process
      answered = failure_reply({errc::internal_error, thrown.what()});
    }
    reply(std::move(answered));
  };
  if (!worker_.submit(std::move(run))) reply(failure_reply({errc::overloaded, "too many commands wait for the store"}));
}

void shell::shards(const shell_words& words, io_loop&, answer reply) {
  on_storage(
      [by_server = words.options.contains("servers")](storage_admin& storage) {
        const auto shards = storage.shards();
        return table_reply(by_server ? servers_table(shards) : shards_table(shards));
      },
      std::move(reply));
}

void shell::rows(const shell_words& words, io_loop&, answer reply) {
  on_storage(
      [is_exact = words.options.contains("exact")](storage_admin& storage) {
        auto counts = storage.rows(is_exact);
        return counts ? table_reply(rows_table(*counts)) : failure_reply(counts.failure());
      },
      std::move(reply));
}

void shell::reparent(const shell_words& words, io_loop&, answer reply) {
  if (words.arguments.size() != 2) return reply(failure_reply(usage_of("reparent")));
  on_storage(
      [shard = words.arguments[0], server = words.arguments[1]](storage_admin& storage) {
        auto outcome = storage.reparent(shard, server);
        return outcome ? done_reply(*outcome) : failure_reply(outcome.failure());
      },
      std::move(reply));
}

void shell::reshard(const shell_words& words, io_loop&, answer reply) {
  if (words.arguments.empty()) return reply(failure_reply(usage_of("reshard")));
  on_storage(
      [words](storage_admin& storage) {
        auto shown = storage.reshard(words);
        if (!shown && shown.code() == errc::unknown_method) return failure_reply(usage_of("reshard"));
        return shown ? table_reply(*shown) : failure_reply(shown.failure());
      },
      std::move(reply));
}

void shell::explain(const shell_words& words, io_loop& where, answer reply) {
  if (words.arguments.empty() || !services_.api) return reply(failure_reply(usage_of("explain")));
  const auto method = words.arguments.front();
  if (!find_method(method)) return reply(failure_reply({errc::unknown_method, "the API has no method " + method}));
  auto form = form_of(words.arguments, 1);
  if (!form) return reply(failure_reply(form.failure()));
  // The record is the process's, so there is one explain at a time.
  if (!statement_tap::instance().start(statements_max))
    return reply(failure_reply({errc::conflict, "another explain is under way"}));

  http_request request;
  request.method = "POST";
  request.path = "/api/" + method;
  request.headers.push_back({"Content-Type", "application/x-www-form-urlencoded"});
  request.body = std::move(*form);

  // Shown once: when the call is answered, or when nobody would wait for it any longer.
  auto show = [this, method, reply, before = calls_so_far(*services_.api), started = services_.door.now(),
               is_shown = std::make_shared<std::atomic<bool>>(false)](std::string outcome) {
    if (is_shown->exchange(true)) return;
    explained_call call{method, std::move(outcome), statement_tap::instance().stop(), false, {}, 0};
    call.is_cut = call.statements.size() == statements_max;
    call.took = std::chrono::duration_cast<std::chrono::microseconds>(services_.door.now() - started);
    const auto calls = calls_so_far(*services_.api) - before;
    call.other_calls = calls > 0 ? calls - 1 : 0;
    reply(table_reply(explain_table(call)));
  };
  where.after(services_.explain_patience, [show] { show("no answer"); });
  services_.api->handle(std::move(request), make_loop_executor(where),
                        [show](http_response response) { show(outcome_of(response)); });
}

}  // namespace throng
