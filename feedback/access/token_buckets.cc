#include "feedback/access/token_buckets.h"

#include <algorithm>

namespace rlhf {
namespace {

// No client is named so.
constexpr char kAllOthers[] = "\n";
// Looking at every bucket costs as much as some requests.
constexpr absl::Duration kSweepEvery = absl::Seconds(1);

}  // namespace

double TokenBuckets::TokensAt(const Bucket& bucket, absl::Time now) const {
  const double seconds =
      std::max(0.0, absl::ToDoubleSeconds(now - bucket.filled));
  return std::min(options_.capacity,
                  bucket.tokens + seconds * options_.per_second);
}

void TokenBuckets::ForgetFull(absl::Time now) {
  if (now < swept_ + kSweepEvery) return;
  swept_ = now;
  // A full bucket is as good as a new one.
  std::erase_if(buckets_, [&](const auto& one) {
    return TokensAt(one.second, now) >= options_.capacity;
  });
}

TokenBuckets::Bucket& TokenBuckets::Find(const std::string& key,
                                         absl::Time now) {
  const auto found = buckets_.find(key);
  if (found != buckets_.end()) return found->second;
  if (buckets_.size() >= options_.max_keys) ForgetFull(now);
  const bool is_room = buckets_.size() < options_.max_keys;
  return buckets_
      .try_emplace(is_room ? key : kAllOthers,
                   Bucket{.tokens = options_.capacity, .filled = now})
      .first->second;
}

absl::Duration TokenBuckets::Take(const std::string& key, absl::Time now) {
  Bucket& bucket = Find(key, now);
  bucket.tokens = TokensAt(bucket, now);
  bucket.filled = now;
  // Zero would say that a token was taken: a wait too short to tell is none.
  const absl::Duration wait =
      absl::Seconds((1 - bucket.tokens) / options_.per_second);
  if (wait > absl::ZeroDuration()) return wait;
  bucket.tokens = std::max(0.0, bucket.tokens - 1);
  return absl::ZeroDuration();
}

void TokenBuckets::GiveBack(const std::string& key) {
  const auto found = buckets_.find(key);
  if (found == buckets_.end()) return;
  found->second.tokens = std::min(options_.capacity, found->second.tokens + 1);
}

}  // namespace rlhf
