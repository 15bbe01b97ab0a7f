// Who is fed by whom while a version of the weights goes to receivers on other
// machines: the learner sends to a few, they send on what they have proven, and
// so a tree grows in which no link carries more than its share.
//
// Decides only: no I/O, no threads, no clock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/time/time.h"

namespace rlhf {

// What a receiver tells of itself.
struct FeedReport {
  // A name that no other receiver has.
  std::string receiver;
  // Where it sends on what it has; empty if it does not.
  std::string address;
  // Proven, from the first on.
  int num_buckets = 0;
  // Received, a bucket that is not complete included.
  uint64_t num_bytes = 0;
  // A source that broke, stood still or lied since the last report; empty:
  // none.
  std::string failed_source;
};

// Not thread-safe.
class FeedTree {
 public:
  struct Options {
    // Receivers that one source feeds, unless there is no other way. The
    // learner may turn out to have room for more (see Report).
    int fan_out = 2;
    // One that says nothing for so long is taken for dead.
    absl::Duration silence = absl::Seconds(10);
    // One to which no byte came for so long stands still, unless it has all
    // that its source has.
    absl::Duration stall = absl::Seconds(2);
    // A pace is known once it was measured for so long.
    absl::Duration measure = absl::Milliseconds(200);
    // One whose pace is below this share of the fastest is slow.
    double slow_share = 0.25;
    // One that a relay has fed for so long may be tried at the learner, and the
    // trial takes so long.
    absl::Duration patience = absl::Seconds(1);
    // The learner has room for one more if what it sends grows by this factor.
    double gain = 1.2;
  };

  // What Report returns for the learner.
  static constexpr char kLearner[] = "";

  FeedTree() = default;
  explicit FeedTree(const Options& options) : options_(options) {}

  // A new version of `num_buckets` goes out; reports are about it from now on.
  // What is known of receivers' paces stays.
  void Begin(int num_buckets);

  // Takes a report in and returns the address to receive from, or kLearner.
  //
  // A receiver keeps its source until it says that it failed, and never gets
  // that one again for this version, unless it is the learner; or until that is
  // seen to be slow or to stand still. Else the source is the one that is
  // nearest to the learner among those that feed fewer than fan_out, are alive,
  // are neither slow nor standing still, hold what the receiver holds and more
  // or get it now, and are not fed by it themselves; with none of these, the
  // learner. Who is slow or stands still takes nobody's place: it neither feeds
  // others nor counts as fed.
  //
  // Slow is relative, and who hangs on a slow relay is not seen to be fast. So
  // from time to time one is tried at the learner beside the others. If the
  // learner then sends more in all, its link was not the limit, and it keeps
  // the place; else the receiver goes back to a relay, and the next trial is
  // put off for twice as long.
  std::string Report(const FeedReport& report, absl::Time now);

  // How many receivers the source, or kLearner, feeds that are alive, not slow
  // and not done.
  int NumFed(const std::string& address, absl::Time now) const;

 private:
  struct Node {
    std::string address;
    int num_buckets = 0;
    uint64_t num_bytes = 0;
    absl::Time heard;     // of the last report
    absl::Time moved;     // of the last one with more bytes
    bool joined = false;  // has reported on this version

    bool fed = false;  // has a source
    absl::Time fed_since;
    std::string source;           // its address, or kLearner
    absl::Time measured_at;       // the pace, or fed at all
    uint64_t measured_bytes = 0;  // num_bytes at that time
    bool paced = false;           // `pace` is of this source

    std::set<std::string> refused;  // sources that failed it
    // Failed somebody since its own last report.
    bool doubted = false;
    // The most bytes per second between two reports, with the last source with
    // which it was measured; below 0 while unknown.
    double pace = -1;
    // Between the last two reports.
    double recent_pace = 0;
  };

  void Forget(absl::Time now);
  void Note(const FeedReport& report, absl::Time now, Node& node);
  void Measure(absl::Time now, Node& node);
  void Feed(const std::string& source, absl::Time now, Node& node);

  struct Trial {
    std::string receiver;
    absl::Time began;
    double pace_before = 0;  // of all that the learner feeds
  };
  bool MayTry(const Node& node, absl::Time now) const;
  void JudgeTrial(absl::Time now);
  // Bytes per second that the learner sends, as far as it is known.
  double LearnerPace(absl::Time now) const;
  // Whether it is known of all that it feeds.
  bool LearnerPaceIsKnown(absl::Time now) const;
  bool IsFedByLearner(const Node& node, absl::Time now) const;

  std::string Choose(const Node& node, absl::Time now) const;
  bool MayFeed(const Node& relay, const Node& node, absl::Time now) const;

  // Whether it had better have another source than the relay that it has.
  bool IsHeldUp(const Node& node, absl::Time now) const;
  bool Done(const Node& node) const { return node.num_buckets >= num_buckets_; }
  // Whether it has all that its relay had to give.
  bool Waits(const Node& node) const;
  bool Alive(const Node& node, absl::Time now) const;
  bool Moves(const Node& node, absl::Time now) const;
  bool Slow(const Node& node) const;
  const Node* At(const std::string& address) const;
  // Sources between the node and the learner.
  int Depth(const Node& node) const;
  bool IsFedBy(const Node& node, const std::string& address) const;

  Options options_;
  int num_buckets_ = 0;
  std::map<std::string, Node> nodes_;  // by the receiver's name
  double fastest_ = 0;                 // pace of all nodes
  int places_ = options_.fan_out;      // at the learner
  std::optional<Trial> trial_;
  absl::Time next_trial_ = absl::InfinitePast();
  absl::Duration trial_pause_;
};

}  // namespace rlhf
