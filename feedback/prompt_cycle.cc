#include "feedback/prompt_cycle.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

std::string PositionPath(const std::string& folder) {
  return absl::StrCat(folder, "/next_prompt");
}

}  // namespace

PromptCycle::PromptCycle(std::vector<v1::Prompt> prompts, uint64_t seed)
    : prompts_(std::move(prompts)), seed_(seed), order_(prompts_.size()) {
  RLHF_CHECK(!prompts_.empty()) << "a cycle needs prompts";
}

const v1::Prompt& PromptCycle::At(int64_t position) {
  const auto size = static_cast<int64_t>(prompts_.size());
  RLHF_CHECK(position >= 0) << position;
  if (position / size != pass_) Shuffle(position / size);
  return prompts_[order_[position % size]];
}

void PromptCycle::Shuffle(int64_t pass) {
  pass_ = pass;
  const uint64_t key = MixHash(seed_, static_cast<uint64_t>(pass));
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::sort(order_.begin(), order_.end(), [key](size_t a, size_t b) {
    return std::pair(MixHash(key, a), a) < std::pair(MixHash(key, b), b);
  });
}

absl::StatusOr<int64_t> ReadPromptPosition(const std::string& folder,
                                           int64_t otherwise) {
  const std::string path = PositionPath(folder);
  if (!FileExists(path)) return otherwise;
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  int64_t position = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &position) ||
      position < 0) {
    return absl::DataLossError(absl::StrCat(
        path,
        " holds no position among the prompts: remove it, and prompts "
        "that were asked already may be asked again"));
  }
  return position;
}

absl::Status WritePromptPosition(const std::string& folder, int64_t position) {
  return WriteFileAtomically(PositionPath(folder),
                             absl::StrCat(position, "\n"));
}

}  // namespace rlhf
