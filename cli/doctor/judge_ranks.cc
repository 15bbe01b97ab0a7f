#include "cli/doctor/judge_ranks.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/doctor/judge_role.h"
#include "cli/doctor/limits.h"
#include "cli/human_format.h"

namespace rlhf {
namespace {

constexpr size_t kPairsShown = 16;

std::vector<PairFigures> SlowestFirst(std::vector<PairFigures> pairs) {
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const auto& a, const auto& b) {
                     return a.link.bytes_per_s < b.link.bytes_per_s;
                   });
  return pairs;
}

std::string NameOf(const RanksFigures& ranks, const PairFigures& pair) {
  return absl::StrFormat("rank %d (%s) and rank %d (%s)", pair.first,
                         ranks.places[static_cast<size_t>(pair.first)].host,
                         pair.second,
                         ranks.places[static_cast<size_t>(pair.second)].host);
}

Finding JudgePresence(const RanksFigures& ranks) {
  std::map<std::string, int> hosts;
  for (const RankPlace& place : ranks.places) ++hosts[place.host];
  const std::string list =
      absl::StrJoin(hosts, ", ", [](std::string* out, const auto& host) {
        absl::StrAppend(out, host.second, " on ", host.first);
      });
  return {.subject = "ranks",
          .found = absl::StrCat("all ", ranks.places.size(), " came: ", list),
          .figures = {{"ranks", ranks.places.size()}}};
}

Finding JudgeSlowest(const RanksFigures& ranks) {
  const std::vector<PairFigures> pairs = SlowestFirst(ranks.pairs);
  const PairFigures& slowest = pairs.front();
  const double rate = slowest.link.bytes_per_s;
  const double median = pairs[pairs.size() / 2].link.bytes_per_s;
  Finding finding = {
      .subject = "slowest pair",
      .found = absl::StrFormat("%s: %.3f GB/s each way at once",
                               NameOf(ranks, slowest), rate / 1e9),
      .figures = {{"first", slowest.first},
                  {"second", slowest.second},
                  {"bytes_per_s", rate},
                  {"median_bytes_per_s", median}}};
  if (pairs.size() > 1) {
    absl::StrAppendFormat(&finding.found, "; the median of %d pairs has %.3f",
                          pairs.size(), median / 1e9);
  }
  if (rate < limits::kPairShareWarning * median) {
    finding.level = rate < limits::kPairShareFault * median ? Level::kFault
                                                            : Level::kWarning;
    finding.advice =
        "every all-reduce waits for it: compare the cable, the switch port and "
        "the interface of these two with the others' (`ethtool`, `ip -s link`)";
  } else if (rate < limits::kLinkWarningBytesPerS) {
    finding.level = Level::kWarning;
    finding.advice =
        "that is less than 1 Gbit/s Ethernet: see that MASTER_ADDR is on the "
        "fast network, and what else uses it";
  }
  return finding;
}

Finding JudgeRoundTrip(const RanksFigures& ranks) {
  const PairFigures& longest = *std::max_element(
      ranks.pairs.begin(), ranks.pairs.end(), [](const auto& a, const auto& b) {
        return a.link.round_trip_s < b.link.round_trip_s;
      });
  const double seconds = longest.link.round_trip_s;
  Finding finding = {.subject = "longest round trip",
                     .found = absl::StrFormat(
                         "%s: %.3f ms", NameOf(ranks, longest), seconds * 1e3),
                     .figures = {{"first", longest.first},
                                 {"second", longest.second},
                                 {"seconds", seconds}}};
  if (seconds <= limits::kRoundTripWarningS) return finding;
  finding.level = Level::kWarning;
  finding.advice =
      "ranks of one learner belong into one room; on one machine, see who else "
      "computes there (`top`)";
  return finding;
}

// "4 KiB", "64 MiB".
std::string SizeOf(int64_t bytes) {
  return bytes < limits::kMiB ? absl::StrCat(bytes / 1024, " KiB")
                              : HumanBytes(bytes);
}

Finding JudgeAllReduce(const RanksFigures& ranks) {
  const AllReduceFigures& largest = ranks.all_reduces.back();
  const double sent = largest.sent_bytes_per_s(ranks.places.size());
  const double slowest = SlowestFirst(ranks.pairs).front().link.bytes_per_s;
  Finding finding = {
      .subject = ranks.backend + " all-reduce",
      .found = absl::StrCat(
          absl::StrJoin(ranks.all_reduces, ", ",
                        [](std::string* out, const AllReduceFigures& one) {
                          absl::StrAppendFormat(out, "%s %.3f ms",
                                                SizeOf(one.bytes),
                                                one.seconds * 1e3);
                        }),
          absl::StrFormat("; each rank sends %.3f GB/s in the last",
                          sent / 1e9)),
      .figures = {{"sent_bytes_per_s", sent}}};
  if (sent >= limits::kAllReduceShareWarning * slowest) return finding;
  finding.level = Level::kWarning;
  finding.advice =
      "far below what the slowest pair alone can do: more ranks share a link, "
      "or a machine's cores, than it can serve";
  return finding;
}

}  // namespace

Findings JudgeRanks(const RanksFigures& ranks) {
  Findings findings = {JudgePresence(ranks)};
  for (size_t rank = 1; rank < ranks.places.size(); ++rank) {
    const Finding build =
        JudgeBuild(absl::StrCat("rank ", rank), ranks.places[rank].build,
                   ranks.places[0].build);
    // Of many ranks, what is well is no news.
    if (build.level != Level::kOk) findings.push_back(build);
  }
  Finding worst = {.subject = "clocks of the ranks"};
  for (const PairFigures& pair : ranks.pairs) {
    if (pair.first != 0) continue;
    const Finding clock = JudgeClock(
        absl::StrCat("rank ", pair.second, " (",
                     ranks.places[static_cast<size_t>(pair.second)].host, ")"),
        absl::Seconds(pair.link.clock_ahead_s),
        absl::Seconds(pair.link.clock_uncertainty_s));
    const auto ahead = [](const Finding& f) {
      return std::abs(f.figures.value("ahead_ms", 0.0));
    };
    if (clock.level > worst.level || worst.found.empty() ||
        ahead(clock) > ahead(worst)) {
      worst = clock;
    }
  }
  findings.push_back(worst);
  findings.push_back(JudgeSlowest(ranks));
  findings.push_back(JudgeRoundTrip(ranks));
  findings.push_back(JudgeAllReduce(ranks));
  return findings;
}

void PrintPairs(const RanksFigures& ranks, std::ostream& out) {
  const std::vector<PairFigures> pairs = SlowestFirst(ranks.pairs);
  out << "\npairs of ranks, the slowest first\n"
      << absl::StrFormat("  %-10s %12s %14s\n", "ranks", "GB/s", "round trip");
  for (size_t i = 0; i < std::min(pairs.size(), kPairsShown); ++i) {
    const PairFigures& pair = pairs[i];
    out << absl::StrFormat("  %-10s %12.3f %11.3f ms\n",
                           absl::StrCat(pair.first, " - ", pair.second),
                           pair.link.bytes_per_s / 1e9,
                           pair.link.round_trip_s * 1e3);
  }
  if (pairs.size() > kPairsShown) {
    out << "  and " << pairs.size() - kPairsShown
        << " faster ones (--json has all)\n";
  }
}

Json ToJson(const RanksFigures& ranks) {
  Json pairs = Json::array(), all_reduces = Json::array();
  for (const PairFigures& pair : ranks.pairs) {
    pairs.push_back({{"first", pair.first},
                     {"second", pair.second},
                     {"bytes_per_s", pair.link.bytes_per_s},
                     {"round_trip_seconds", pair.link.round_trip_s},
                     {"clock_ahead_seconds", pair.link.clock_ahead_s}});
  }
  for (const AllReduceFigures& one : ranks.all_reduces) {
    all_reduces.push_back(
        {{"bytes", one.bytes},
         {"seconds", one.seconds},
         {"sent_bytes_per_s", one.sent_bytes_per_s(ranks.places.size())}});
  }
  return {{"backend", ranks.backend},
          {"pairs", pairs},
          {"all_reduces", all_reduces}};
}

}  // namespace rlhf
