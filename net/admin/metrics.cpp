// SPDX-License-Identifier: Apache-2.0
#include "net/admin/metrics.hpp"

#include <fstream>
#include <map>
#include <sys/resource.h>
#include <unistd.h>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "config/log.hpp"

namespace throng {

namespace {

/// Gathers metrics of one name into one family, in the order they first appear.
class families {
 public:
  void add(const metric& each) {
    auto [place, is_new] = index_.emplace(each.name, all_.size());
    if (is_new) {
      prometheus::MetricFamily family;
      family.name = "throng_" + each.name;
      family.help = each.help;
      family.type = each.is_counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
      all_.push_back(std::move(family));
    }
    prometheus::ClientMetric value;
    for (const auto& [name, text] : each.labels) value.label.push_back({name, text});
    if (each.is_counter)
      value.counter.value = each.value;
    else
      value.gauge.value = each.value;
    all_[place->second].metric.push_back(std::move(value));
  }
  void counter(std::string name, std::string help, double value) {
    add({std::move(name), std::move(help), true, {}, value});
  }
  void gauge(std::string name, std::string help, double value) {
    add({std::move(name), std::move(help), false, {}, value});
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(all_); }

 private:
  std::vector<prometheus::MetricFamily> all_;
  std::map<std::string, std::size_t> index_;
};

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void add_region(families& all, const region_figures& figures) {
  all.counter("tells_total", "Messages sent to entities without an answer", static_cast<double>(figures.tells));
  all.counter("asks_total", "Messages sent to entities for an answer", static_cast<double>(figures.asks));
  all.counter("refused_messages_total", "Messages refused because a mailbox was full",
              static_cast<double>(figures.refused));
  all.counter("expired_asks_total", "Asks that were not answered in time", static_cast<double>(figures.expired));
  all.counter("publications_total", "Events handed to the gateway", static_cast<double>(figures.publications));
  all.counter("activations_total", "Entities loaded into memory", static_cast<double>(figures.activations));
  all.counter("passivations_total", "Entities dropped from memory when idle",
              static_cast<double>(figures.passivations));
  all.counter("entity_crashes_total", "Entities that crashed", static_cast<double>(figures.crashes));
  all.counter("quarantines_total", "Entities put into quarantine", static_cast<double>(figures.quarantined));
  all.counter("handed_over_entities_total", "Entities whose state went to another node with them",
              static_cast<double>(figures.handed_over));
  all.counter("handed_over_bytes_total", "Bytes of that state", static_cast<double>(figures.handed_bytes));
  all.counter("taken_over_entities_total", "Entities that went on with state from another node",
              static_cast<double>(figures.taken_over));
  all.counter("dropped_handovers_total", "States that were too large to move, or came too late",
              static_cast<double>(figures.handovers_dropped));
  all.gauge("lent_entities", "Entities of this node's slots that run on other nodes, where they are pinned",
            static_cast<double>(figures.lent));
  all.gauge("guest_entities", "Entities of other nodes' slots that run here", static_cast<double>(figures.guests));
  all.counter("loans_total", "Entities lent to another node", static_cast<double>(figures.loans));
  all.counter("loans_returned_total", "Entities that came back", static_cast<double>(figures.loans_returned));
  all.counter("loans_lost_total", "Slots that got another epoch, for what they had lent didn't come back",
              static_cast<double>(figures.loans_lost));
  all.gauge("waiting_asks", "Asks that wait for their answer", static_cast<double>(figures.waiting_asks));
  for (const auto& [kind, count] : figures.entities_by_kind)
    all.add({"entities",
             "Entities in memory",
             false,
             {{"kind", std::string(to_string(kind))}},
             static_cast<double>(count)});
}

void add_commits(families& all, const commit_queue::figures& figures) {
  all.counter("commit_units_total", "Writes that were committed or refused", static_cast<double>(figures.units));
  all.counter("commit_batches_total", "Transactions", static_cast<double>(figures.batches));
  all.counter("commit_failed_units_total", "Writes that failed", static_cast<double>(figures.failed_units));
  all.counter("commit_refused_units_total", "Writes refused because the queue was full",
              static_cast<double>(figures.refused_units));
  all.counter("commit_store_errors_total", "Transactions that failed as a whole",
              static_cast<double>(figures.store_errors));
  all.gauge("commit_waiting_units", "Writes that wait for the store", static_cast<double>(figures.waiting_units));
  all.gauge("commit_waiting_bytes", "Bytes that wait for the store", static_cast<double>(figures.waiting_bytes));
}

void add_sockets(families& all, const transport_figures& figures) {
  const auto is_now = [](std::string_view name) {
    return name == "connections" || name == "websockets" || name == "outbox_bytes" || name == "request_bytes";
  };
#define THRONG_ADD_FIGURE(name)                                            \
  all.add({std::string("socket_" #name) + (is_now(#name) ? "" : "_total"), \
           "Sockets: " #name,                                              \
           !is_now(#name),                                                 \
           {},                                                             \
           static_cast<double>(figures.name)});
  THRONG_TRANSPORT_FIGURES(THRONG_ADD_FIGURE)
#undef THRONG_ADD_FIGURE
}

}  // namespace

std::string render_metrics(const admin_services& services) {
  families all;
  all.add({"info", "What runs here", false, {{"node", services.node}, {"version", services.version}}, 1});
  all.gauge("ready", "1 if the node serves", services.is_ready.load() ? 1 : 0);
  all.gauge("resident_bytes", "Memory of the process", resident_bytes());
  all.counter("cpu_seconds_total", "CPU time of the process", cpu_seconds());
  add_region(all, services.inspect.figures());
  add_commits(all, services.commits.read_figures());
  all.gauge("reads_waiting", "Reads that wait for a reader", static_cast<double>(services.readers.waiting()));
  add_sockets(all, services.sockets.figures());
  const auto lines = log::read_figures();
  all.counter("log_lines_total", "Lines logged", static_cast<double>(lines.written));
  all.counter("log_dropped_lines_total", "Lines dropped because the log was too slow",
              static_cast<double>(lines.dropped));
  if (services.more_metrics)
    for (const auto& each : services.more_metrics()) all.add(each);
  return all.text();
}

}  // namespace throng
