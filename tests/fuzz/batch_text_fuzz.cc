// What the batch gate looks for in texts: feedback/batch/.
#include "core/base/check.h"
#include "feedback/batch/language.h"
#include "feedback/batch/min_hash.h"
#include "feedback/batch/personal_data.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

RLHF_FUZZ_TARGET(batch_text) {
  RLHF_CHECK(!DetectLanguage(input).empty());
  std::vector<uint32_t> shingles;
  AddShingles(input, shingles);
  RLHF_CHECK(shingles.size() <= input.size());
  if (!shingles.empty()) {
    const ShortHash hash = Shortened(MinHash(shingles));
    RLHF_CHECK(EstimatedSimilarity(hash, hash) == 1);
  }
  size_t end = 0;
  for (const PersonalDatum& datum : FindPersonalData(input)) {
    RLHF_CHECK(datum.begin >= end && datum.size > 0);
    end = datum.begin + datum.size;
  }
  RLHF_CHECK(end <= input.size());
}

}  // namespace
}  // namespace rlhf
