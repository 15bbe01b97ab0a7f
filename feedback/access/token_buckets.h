// How often each of many may do something: a token bucket for each key, which
// fills at a steady rate up to its capacity.
#pragma once

#include <map>
#include <string>

#include "absl/time/time.h"

namespace rlhf {

// Pure: the caller says what time it is. Thread-compatible.
class TokenBuckets {
 public:
  struct Options {
    // Tokens that a key has at first, and most that it can have.
    double capacity = 10;
    double per_second = 1;
    // Keys that are told apart; when there are more, the new ones share one
    // bucket, so that many keys buy nobody more tokens.
    size_t max_keys = 20'000;
  };

  explicit TokenBuckets(const Options& options) : options_(options) {}

  // Takes a token and returns zero; or, if there is none, takes nothing and
  // returns how long until there is one.
  absl::Duration Take(const std::string& key, absl::Time now);

  // Puts a token back.
  void GiveBack(const std::string& key);

  size_t num_keys() const { return buckets_.size(); }

 private:
  struct Bucket {
    double tokens = 0;
    absl::Time filled;
  };
  double TokensAt(const Bucket& bucket, absl::Time now) const;
  Bucket& Find(const std::string& key, absl::Time now);
  void ForgetFull(absl::Time now);

  const Options options_;
  std::map<std::string, Bucket> buckets_;
  absl::Time swept_ = absl::InfinitePast();
};

}  // namespace rlhf
