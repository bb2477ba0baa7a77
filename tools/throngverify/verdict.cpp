// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/verdict.hpp"

#include <array>
#include <cstdio>
#include <ostream>

#include "storage/json/json.hpp"
#include "tools/throngverify/evidence.hpp"

namespace throng::verify {

namespace {

std::string left(std::string_view text, std::size_t width) {
  std::string padded(text);
  if (padded.size() < width) padded.resize(width, ' ');
  return padded;
}

std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string ms_text(std::int64_t ns) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.1f", static_cast<double>(ns) / 1e6);
  return text.data();
}

std::string_view word_of(const check_report& report) {
  return report.has_violation() ? "violation" : report.is_clean() ? "ok" : "unproven";
}

void print_figures(std::ostream& out, const run_figures& all) {
  out << all.clients << " clients, " << all.channels << " channels, " << all.sockets << " sockets of which "
      << all.resumes << " resumed, " << all.events_received << " events received, " << all.gaps << " gaps told, "
      << all.history_entries << " messages read at the end\n\n";
  out << left("calls", 10);
  for (const char* title : {"invoked", "acked", "refused", "unknown", "p50 ms", "p99 ms", "max ms"})
    out << right(title, 10);
  out << '\n';
  for (const auto& [kind, each] : all.calls) {
    out << left(kind, 10);
    for (const auto count : {each.invoked, each.acknowledged, each.refused, each.unknown})
      out << right(std::to_string(count), 10);
    for (const auto ns : {each.p50_ns, each.p99_ns, each.max_ns}) out << right(ms_text(ns), 10);
    out << '\n';
  }
  out << "\nlongest time in which a channel acknowledged no post, though one was under way at a node without a fault\n";
  for (const auto& [kind, each] : all.by_fault) {
    out << "  " << left(kind == "none" ? "no fault" : kind + " x" + std::to_string(each.faults), 14)
        << right(ms_text(each.longest_ns), 10) << " ms";
    if (each.channel) out << "  " << to_text(each.channel) << " at " << ms_text(each.began_ns) << " ms";
    out << '\n';
  }
  out << '\n';
}

void print_rule(std::ostream& out, const rule_report& rule) {
  out << "  " << left(to_string(rule.which), 10);
  if (rule.violation_count != 0)
    out << "VIOLATION  " << rule.violation_count << " in " << rule.checked;
  else if (!rule.unproven.empty())
    out << "unproven   " << rule.checked;
  else
    out << (rule.checked != 0 ? "ok         " : "nothing    ") << rule.checked;
  out << " checked: " << promise_of(rule.which) << '\n';
  for (const auto& why : rule.unproven) out << "    not judged: " << why << '\n';
}

void print_violations(std::ostream& out, const history& of, const rule_report& rule) {
  for (const auto& each : rule.violations) {
    out << "\nviolation of " << to_string(rule.which) << ": " << each.what << '\n';
    for (const auto event : each.events) out << "  " << line_of(of, event) << '\n';
  }
  const auto more = rule.violation_count - rule.violations.size();
  if (more != 0) out << "\n(and " << more << " more violations of " << to_string(rule.which) << ")\n";
}

void print_last_line(std::ostream& out, const history& of, const check_report& report) {
  out << "\nverdict: ";
  if (report.has_violation()) {
    out << "VIOLATION of";
    for (const auto& rule : report.rules)
      if (rule.violation_count != 0) out << ' ' << to_string(rule.which);
    if (!report.findings.empty()) out << " what was found beside the rules";
  } else {
    out << word_of(report);
  }
  out << " (seed " << of.seed << ")";
  if (!of.replay.empty()) out << "; again with: " << of.replay;
  out << '\n';
}

void write_call(json_writer& w, const call_figures& each) {
  w.begin_object().member("invoked", each.invoked).member("acknowledged", each.acknowledged);
  w.member("refused", each.refused).member("unknown", each.unknown);
  w.raw_member("p50_ms", ms_text(each.p50_ns)).raw_member("p99_ms", ms_text(each.p99_ns));
  w.raw_member("max_ms", ms_text(each.max_ns)).end_object();
}

void write_figures(json_writer& w, const run_figures& all) {
  w.begin_object().raw_member("duration_ms", ms_text(all.duration_ns)).member("clients", all.clients);
  w.member("channels", all.channels).member("sockets", all.sockets).member("resumes", all.resumes);
  w.member("gaps", all.gaps).member("events_received", all.events_received);
  w.member("history_entries", all.history_entries).key("calls").begin_object();
  for (const auto& [kind, each] : all.calls) {
    w.text_key(kind);
    write_call(w, each);
  }
  w.end_object().key("stalls").begin_object();
  for (const auto& [kind, each] : all.by_fault) {
    w.text_key(kind).begin_object().member("faults", each.faults).raw_member("longest_ms", ms_text(each.longest_ns));
    if (each.channel) w.member("channel", to_text(each.channel)).raw_member("began_ms", ms_text(each.began_ns));
    w.end_object();
  }
  w.end_object().end_object();
}

void write_rule(json_writer& w, const history& of, const rule_report& rule) {
  w.key(to_string(rule.which)).begin_object().member("checked", rule.checked);
  w.member("violations", rule.violation_count).key("kept").begin_array();
  for (const auto& each : rule.violations) {
    w.begin_object().member("what", each.what).key("events").begin_array();
    for (const auto event : each.events) w.value(line_of(of, event));
    w.end_array().end_object();
  }
  w.end_array().key("unproven").begin_array();
  for (const auto& why : rule.unproven) w.value(why);
  w.end_array().end_object();
}

}  // namespace

void print_verdict(std::ostream& out, const history& of, const check_report& report) {
  print_figures(out, report.figures);
  for (const auto& why : report.unproven) out << "not judged: " << why << '\n';
  for (const auto& rule : report.rules) print_rule(out, rule);
  for (const auto& rule : report.rules) print_violations(out, of, rule);
  for (const auto& each : report.findings) out << "\nfound: " << each << '\n';
  print_last_line(out, of, report);
}

std::string verdict_json(const history& of, const check_report& report) {
  std::string out;
  json_writer w(out);
  w.begin_object().member("verdict", word_of(report)).member("seed", std::to_string(of.seed));
  w.member("replay", of.replay).key("unproven").begin_array();
  for (const auto& why : report.unproven) w.value(why);
  w.end_array().key("findings").begin_array();
  for (const auto& each : report.findings) w.value(each);
  w.end_array().key("rules").begin_object();
  for (const auto& rule : report.rules) write_rule(w, of, rule);
  w.end_object().key("figures");
  write_figures(w, report.figures);
  w.end_object();
  return out;
}

int exit_code(const check_report& report) { return report.is_clean() ? 0 : 1; }

}  // namespace throng::verify
