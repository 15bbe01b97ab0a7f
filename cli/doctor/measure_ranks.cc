#include "cli/doctor/measure_ranks.h"

#include <ATen/ops/zeros.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"
#include "core/comm/local_address.h"
#include "core/comm/roll_call.h"
#include "core/telemetry/listen_socket.h"
#include "trainer/parallel/rates.h"

namespace rlhf {
namespace {

constexpr int kRounds = 100;
// A first look, from which follows how much is sent in kSendSeconds.
constexpr int64_t kFirstBytes = 1 << 20;
constexpr int64_t kMostBytes = 64 << 20;
constexpr double kSendSeconds = 0.03;
constexpr int64_t kAllReduceSizes[] = {4 << 10, 1 << 20, 64 << 20};
constexpr int kAllReduces = 9;

// How two ranks see each other's clocks while they exchange them: each message
// was sent before it arrived, which bounds the difference from both sides.
class ClockBounds {
 public:
  // This rank sent at `sent` and got the other's by `received`, who had sent it
  // at `their_sent` and got our last one by `their_received`.
  void Add(double sent, double received, double their_sent,
           double their_received) {
    low_ = std::max(low_, their_sent - received);
    if (last_sent_ > 0) high_ = std::min(high_, their_received - last_sent_);
    last_sent_ = sent;
  }
  double ahead() const { return (low_ + high_) / 2; }
  double uncertainty() const { return (high_ - low_) / 2; }

 private:
  double low_ = -std::numeric_limits<double>::infinity();
  double high_ = std::numeric_limits<double>::infinity();
  double last_sent_ = 0;
};

double Median(std::vector<double> numbers) {
  const auto middle =
      numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

absl::Status ExchangeClocks(Communicator& both, const Clock& clock,
                            LinkFigures& link) {
  const at::Tensor flat = at::zeros({4}, at::kDouble);
  double* const own = flat.data_ptr<double>() + 2 * both.rank();
  const double* const theirs = flat.data_ptr<double>() + 2 * (1 - both.rank());
  const auto now = [&] { return absl::ToUnixMicros(clock.Now()) * 1e-6; };
  ClockBounds bounds;
  std::vector<double> seconds;
  for (int i = 0; i < kRounds; ++i) {
    const Stopwatch watch;
    const double sent = own[0] = now();
    RLHF_RETURN_IF_ERROR(both.StartAllGather(flat, "clocks")->Wait());
    const double received = now();
    bounds.Add(sent, received, theirs[0], theirs[1]);
    own[1] = received;
    seconds.push_back(watch.seconds());
  }
  // Both send at once, so that a round is one way.
  link.round_trip_s = 2 * Median(seconds);
  link.clock_ahead_s = bounds.ahead();
  link.clock_uncertainty_s = bounds.uncertainty();
  return absl::OkStatus();
}

// What a rank says when the roll is called.
struct Note {
  RankPlace place;
  std::string address = "";
  // Free on that rank a moment ago: where all join at rank 0's, and where it
  // meets the second of a pair.
  int join_port = 0, pair_port = 0;
};

std::string TextOf(const Note& note) {
  return absl::StrJoin(
      {note.place.host, note.address, absl::StrCat(note.join_port),
       absl::StrCat(note.pair_port), UserAgent(note.place.build)},
      "\n");
}

absl::StatusOr<Note> ParseNote(const std::string& text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  Note note;
  if (lines.size() != 5 || !absl::SimpleAtoi(lines[2], &note.join_port) ||
      !absl::SimpleAtoi(lines[3], &note.pair_port)) {
    return absl::InternalError("a rank came with a note of another form");
  }
  note.place.host = lines[0];
  note.address = lines[1];
  note.place.build = ParseUserAgent(lines[4]).value_or(Build());
  return note;
}

absl::Status FindPorts(Note& note) {
  const std::string any = WithPort(note.address, 0);
  RLHF_ASSIGN_OR_RETURN(const ListenSocket join, Listen(any));
  const absl::Cleanup close_join = [&] { ::close(join.fd); };
  RLHF_ASSIGN_OR_RETURN(const ListenSocket pair, Listen(any));
  ::close(pair.fd);
  note.join_port = join.port;
  note.pair_port = pair.port;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Note>> MeetRanks(const C10dOptions& options) {
  char host[256] = "";
  (void)::gethostname(host, sizeof(host) - 1);
  Note own = {.place = {.host = host, .build = ThisBuild()}};
  RLHF_ASSIGN_OR_RETURN(
      own.address,
      options.rank == 0
          ? LocalAddressKnownAs(options.master_address, options.timeout)
          : LocalAddressTowards(options.master_address));
  RLHF_RETURN_IF_ERROR(FindPorts(own));
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                        CallTheRoll(options, TextOf(own)));
  std::vector<Note> notes;
  for (const std::string& text : texts) {
    RLHF_ASSIGN_OR_RETURN(notes.emplace_back(), ParseNote(text));
  }
  return notes;
}

// The link between ranks `first` and `second`, by one of which it is called;
// they meet at a port of the first.
absl::StatusOr<LinkFigures> MeasurePair(const C10dOptions& options,
                                        const Note& at, int first) {
  C10dOptions pair = options;
  pair.rank = options.rank == first ? 0 : 1;
  pair.world_size = 2;
  pair.master_address = at.address;
  pair.master_port = at.pair_port;
  pair.agent_store = false;
  pair.device = at::kCPU;
  RLHF_ASSIGN_OR_RETURN(const auto both, MakeC10dCommunicator(pair));
  return MeasureLinkOf(*both, RealClock());
}

absl::Status MeasurePairs(const C10dOptions& options,
                          const std::vector<Note>& notes, Communicator& all,
                          std::vector<PairFigures>& pairs) {
  for (int first = 0; first < all.world_size(); ++first) {
    for (int second = first + 1; second < all.world_size(); ++second) {
      PairFigures& pair = pairs.emplace_back();
      pair.first = first;
      pair.second = second;
      LinkFigures& link = pair.link;
      const std::string pair_name = absl::StrCat(
          "between rank ", first, " (",
          notes[static_cast<size_t>(first)].place.host, ") and rank ", second,
          " (", notes[static_cast<size_t>(second)].place.host, ")");
      all.Describe(pair_name);
      if (all.rank() == first || all.rank() == second) {
        const auto measured =
            MeasurePair(options, notes[static_cast<size_t>(first)], first);
        RLHF_RETURN_IF_ERROR(WithContext(measured.status(), pair_name));
        link = *measured;
      }
      // What the first measured counts, and no pair begins before the last
      // one is done.
      if (all.rank() != first) link = LinkFigures();
      RLHF_RETURN_IF_ERROR(
          all.SumNumbers({&link.bytes_per_s, &link.round_trip_s,
                          &link.clock_ahead_s, &link.clock_uncertainty_s}));
    }
  }
  return absl::OkStatus();
}

absl::Status MeasureAllReduces(Communicator& all, at::Device device,
                               std::vector<AllReduceFigures>& figures) {
  for (const int64_t bytes : kAllReduceSizes) {
    all.Describe(absl::StrCat("all-reduce of ", bytes, " bytes"));
    const at::Tensor flat =
        at::zeros({bytes / 4}, at::TensorOptions(at::kFloat).device(device));
    std::vector<double> times;
    for (int i = 0; i < kAllReduces; ++i) {
      const Stopwatch watch;
      RLHF_RETURN_IF_ERROR(all.AllReduceSum({flat}));
      times.push_back(watch.seconds());
    }
    // The first makes connections; all count rank 0's.
    double seconds = all.rank() == 0 ? Median(times) : 0;
    RLHF_RETURN_IF_ERROR(all.SumNumbers({&seconds}));
    figures.push_back({.bytes = bytes, .seconds = seconds});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LinkFigures> MeasureLinkOf(Communicator& both,
                                          const Clock& clock) {
  LinkFigures link;
  RLHF_ASSIGN_OR_RETURN(const double first_look,
                        MeasureSending(both, kFirstBytes));
  // Both must send as much as the other.
  double bytes = both.rank() == 0 ? first_look * kSendSeconds : 0;
  RLHF_RETURN_IF_ERROR(both.SumNumbers({&bytes}));
  RLHF_ASSIGN_OR_RETURN(
      link.bytes_per_s,
      MeasureSending(both, std::clamp(static_cast<int64_t>(bytes), kFirstBytes,
                                      kMostBytes)));
  RLHF_RETURN_IF_ERROR(ExchangeClocks(both, clock, link));
  return link;
}

absl::StatusOr<RanksFigures> MeasureRanks(const C10dOptions& options) {
  RLHF_ASSIGN_OR_RETURN(const std::vector<Note> notes, MeetRanks(options));
  RanksFigures ranks = {.backend = options.device.is_cuda() ? "NCCL" : "Gloo"};
  for (const Note& note : notes) ranks.places.push_back(note.place);
  // The launcher's agent keeps its port, rank 0 has just given it up: they join
  // at another.
  C10dOptions join = options;
  join.master_address = notes[0].address;
  join.master_port = notes[0].join_port;
  join.agent_store = false;
  RLHF_ASSIGN_OR_RETURN(const auto all, MakeC10dCommunicator(join));
  RLHF_RETURN_IF_ERROR(MeasurePairs(options, notes, *all, ranks.pairs));
  RLHF_RETURN_IF_ERROR(
      MeasureAllReduces(*all, options.device, ranks.all_reduces));
  return ranks;
}

}  // namespace rlhf
