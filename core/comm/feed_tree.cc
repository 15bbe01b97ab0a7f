#include "core/comm/feed_tree.h"

#include <algorithm>
#include <tuple>

namespace rlhf {
namespace {

// Who says nothing for so long is forgotten, pace and all. Actors that come
// back after that are measured anew.
constexpr absl::Duration kMemory = absl::Hours(1);

constexpr absl::Duration kFirstPause = absl::Seconds(2);

}  // namespace

void FeedTree::Begin(int num_buckets) {
  num_buckets_ = num_buckets;
  places_ = options_.fan_out;
  trial_.reset();
  next_trial_ = absl::InfinitePast();
  trial_pause_ = kFirstPause;
  for (auto& [name, node] : nodes_) {
    node.num_buckets = 0;
    node.num_bytes = 0;
    node.joined = false;
    node.fed = false;
    node.source = kLearner;
    node.refused.clear();
    node.doubted = false;
  }
}

std::string FeedTree::Report(const FeedReport& report, absl::Time now) {
  Forget(now);
  Node& node = nodes_[report.receiver];
  Note(report, now, node);
  if (Done(node)) {
    node.fed = false;
    return node.source;
  }
  if (IsHeldUp(node, now)) node.fed = false;
  JudgeTrial(now);
  if (MayTry(node, now)) {
    trial_ = {.receiver = report.receiver,
              .began = now,
              .pace_before = LearnerPace(now)};
    Feed(kLearner, now, node);
  }
  if (!node.fed) Feed(Choose(node, now), now, node);
  return node.source;
}

void FeedTree::Feed(const std::string& source, absl::Time now, Node& node) {
  node.source = source;
  node.fed = true;
  node.fed_since = now;
  node.moved = now;
  node.measured_at = now;
  node.measured_bytes = node.num_bytes;
  node.paced = false;
}

bool FeedTree::MayTry(const Node& node, absl::Time now) const {
  return !trial_.has_value() && now >= next_trial_ && node.fed &&
         node.source != kLearner && now - node.fed_since >= options_.patience &&
         NumFed(kLearner, now) >= places_ && LearnerPaceIsKnown(now);
}

// After the trial began everybody has reported twice (weight_stream.cc), so
// that what they last told is of the time of the trial.
void FeedTree::JudgeTrial(absl::Time now) {
  if (!trial_.has_value() || now - trial_->began < 1.2 * options_.patience) {
    return;
  }
  if (LearnerPace(now) >= options_.gain * trial_->pace_before) {
    ++places_;
  } else {
    next_trial_ = now + trial_pause_;
    trial_pause_ *= 2;
    const auto tried = nodes_.find(trial_->receiver);
    if (tried != nodes_.end() && tried->second.source == kLearner) {
      tried->second.fed = false;  // until its next report
    }
  }
  trial_.reset();
}

double FeedTree::LearnerPace(absl::Time now) const {
  double pace = 0;
  for (const auto& [name, node] : nodes_) {
    if (IsFedByLearner(node, now) && node.paced) pace += node.recent_pace;
  }
  return pace;
}

bool FeedTree::LearnerPaceIsKnown(absl::Time now) const {
  return std::ranges::all_of(nodes_, [&](const auto& entry) {
    return !IsFedByLearner(entry.second, now) || entry.second.paced;
  });
}

bool FeedTree::IsFedByLearner(const Node& node, absl::Time now) const {
  return node.fed && node.source == kLearner && Alive(node, now);
}

void FeedTree::Forget(absl::Time now) {
  std::erase_if(nodes_, [now](const auto& entry) {
    return now - entry.second.heard > kMemory;
  });
  fastest_ = 0;
  for (const auto& [name, node] : nodes_) {
    if (Alive(node, now)) fastest_ = std::max(fastest_, node.pace);
  }
}

void FeedTree::Note(const FeedReport& report, absl::Time now, Node& node) {
  node.joined = true;
  node.address = report.address;
  node.heard = now;
  node.doubted = false;
  // Fewer bytes than before: a damaged bucket was thrown away.
  if (report.num_bytes > node.num_bytes) node.moved = now;
  node.num_bytes = report.num_bytes;
  node.num_buckets = report.num_buckets;
  if (node.fed) Measure(now, node);
  if (report.failed_source.empty()) return;
  node.fed = false;
  node.refused.insert(report.failed_source);
  for (auto& [name, other] : nodes_) {
    if (&other != &node && other.address == report.failed_source) {
      other.doubted = true;
    }
  }
}

// Time in which a receiver only waits for its relay says nothing about it.
void FeedTree::Measure(absl::Time now, Node& node) {
  const absl::Duration time = now - node.measured_at;
  if (time < options_.measure) return;
  const uint64_t bytes =
      node.num_bytes - std::min(node.measured_bytes, node.num_bytes);
  if (bytes > 0 || !Waits(node)) {
    const double pace =
        static_cast<double>(bytes) / absl::ToDoubleSeconds(time);
    node.recent_pace = pace;
    node.pace = node.paced ? std::max(node.pace, pace) : pace;
    node.paced = true;
    fastest_ = std::max(fastest_, node.pace);
  }
  node.measured_at = now;
  node.measured_bytes = node.num_bytes;
}

std::string FeedTree::Choose(const Node& node, absl::Time now) const {
  if (NumFed(kLearner, now) < places_) return kLearner;
  const Node* best = nullptr;
  const auto rank = [&](const Node& relay) {
    return std::make_tuple(Depth(relay), NumFed(relay.address, now),
                           -relay.num_buckets);
  };
  for (const auto& [name, relay] : nodes_) {
    if (MayFeed(relay, node, now) &&
        (best == nullptr || rank(relay) < rank(*best))) {
      best = &relay;
    }
  }
  return best == nullptr ? kLearner : best->address;
}

bool FeedTree::MayFeed(const Node& relay, const Node& node,
                       absl::Time now) const {
  const bool sound = relay.joined && Alive(relay, now) && !relay.doubted &&
                     !Slow(relay) &&
                     (Done(relay) || (relay.fed && Moves(relay, now)));
  return sound && !relay.address.empty() && relay.address != node.address &&
         relay.num_buckets >= node.num_buckets &&
         !node.refused.contains(relay.address) &&
         !IsFedBy(relay, node.address) &&
         NumFed(relay.address, now) < options_.fan_out;
}

int FeedTree::NumFed(const std::string& address, absl::Time now) const {
  return static_cast<int>(std::ranges::count_if(nodes_, [&](const auto& entry) {
    const Node& node = entry.second;
    return node.fed && node.source == address && Alive(node, now) &&
           Moves(node, now) && !Slow(node);
  }));
}

// A relay that is done says nothing any more, so its silence means nothing.
bool FeedTree::IsHeldUp(const Node& node, absl::Time now) const {
  const Node* const relay = node.fed ? At(node.source) : nullptr;
  return relay != nullptr &&
         (Slow(*relay) || (!Done(*relay) && !Moves(*relay, now)));
}

bool FeedTree::Alive(const Node& node, absl::Time now) const {
  return now - node.heard <= options_.silence;
}

bool FeedTree::Moves(const Node& node, absl::Time now) const {
  return now - node.moved <= options_.stall || Waits(node);
}

bool FeedTree::Waits(const Node& node) const {
  const Node* const relay = node.fed ? At(node.source) : nullptr;
  return relay != nullptr && !Done(*relay) &&
         relay->num_buckets <= node.num_buckets;
}

bool FeedTree::Slow(const Node& node) const {
  return node.pace >= 0 && node.pace < options_.slow_share * fastest_;
}

const FeedTree::Node* FeedTree::At(const std::string& address) const {
  if (address == kLearner) return nullptr;
  for (const auto& [name, node] : nodes_) {
    if (node.address == address) return &node;
  }
  return nullptr;
}

// Walks end: nobody is given a source that it feeds (IsFedBy), and the count
// holds where a receiver changed its address meanwhile.
int FeedTree::Depth(const Node& node) const {
  int depth = 1;
  for (const Node* at = &node; at->fed && (at = At(at->source)) != nullptr &&
                               depth <= static_cast<int>(nodes_.size());) {
    ++depth;
  }
  return depth;
}

bool FeedTree::IsFedBy(const Node& node, const std::string& address) const {
  if (address.empty()) return false;
  const Node* at = &node;
  for (size_t steps = 0; at->fed && steps <= nodes_.size(); ++steps) {
    if (at->source == address) return true;
    at = At(at->source);
    if (at == nullptr) return false;
  }
  return false;
}

}  // namespace rlhf
