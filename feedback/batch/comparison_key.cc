#include "feedback/batch/comparison_key.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "core/base/hash.h"
#include "core/comparisons/choice.h"

namespace rlhf {
namespace {

uint64_t HashOfPrompt(const v1::Prompt& prompt) {
  uint64_t hash = 0;
  for (const v1::Message& message : prompt.messages()) {
    hash = MixHash(hash, Xxh3(message.role()));
    hash = MixHash(hash, Xxh3(message.content()));
  }
  return hash;
}

}  // namespace

bool HasWorker(const v1::Comparison& comparison) {
  return !comparison.worker_id().empty() &&
         comparison.worker_id() != comparison.source() &&
         !absl::StartsWith(comparison.worker_id(), "import:");
}

ComparisonKey KeyOf(const v1::Comparison& comparison) {
  const bool a_first = comparison.response_a() <= comparison.response_b();
  const uint64_t hash_a = Xxh3(comparison.response_a());
  const uint64_t hash_b = Xxh3(comparison.response_b());
  ComparisonKey key;
  key.pair =
      MixHash(HashOfPrompt(comparison.prompt()),
              a_first ? MixHash(hash_a, hash_b) : MixHash(hash_b, hash_a));
  if (IsDecided(comparison)) {
    const bool a_better = comparison.choice() == v1::A_BETTER;
    key.vote = a_better == a_first ? 1 : -1;
  }
  // Whether it is a tie or a skip matters, which side was A does not.
  const uint64_t said = IsDecided(comparison)
                            ? static_cast<uint64_t>(key.vote + 101)
                            : static_cast<uint64_t>(comparison.choice());
  if (HasWorker(comparison)) {
    key.worker = std::max<uint64_t>(1, Xxh3(comparison.worker_id()));
  }
  key.answer = MixHash(MixHash(key.pair, said), key.worker);
  return key;
}

}  // namespace rlhf
