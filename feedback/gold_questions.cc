#include "feedback/gold_questions.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "core/comparisons/parse_comparisons.h"
#include "feedback/access/secrets.h"

namespace rlhf {
namespace {

Task ToTask(const v1::Comparison& question) {
  Task task{.prompt = question.prompt(),
            .response_a = question.response_a(),
            .response_b = question.response_b(),
            .policy_version_a = question.policy_version_a(),
            .policy_version_b = question.policy_version_b(),
            .kind = question.task_kind(),
            .gold = true};
  if (question.choice() == v1::B_BETTER) {
    std::swap(task.response_a, task.response_b);
    std::swap(task.policy_version_a, task.policy_version_b);
  }
  return task;
}

}  // namespace

absl::StatusOr<GoldQuestions> GoldQuestions::Read(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const ParsedComparisons parsed, ReadComparisons(path));
  if (!parsed.refused.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", parsed.refused.front().line,
                     " is no gold question: ", parsed.refused.front().reason));
  }
  GoldQuestions gold;
  for (const v1::Comparison& question : parsed.comparisons) {
    if (!IsDecided(question)) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": question ", gold.size() + 1, " says ",
          v1::Choice_Name(question.choice()),
          "; a gold question has a right answer, A_BETTER or B_BETTER"));
    }
    gold.questions_.push_back(ToTask(question));
  }
  if (gold.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " holds no gold question"));
  }
  return gold;
}

Task GoldQuestions::Ask(absl::string_view worker_id, int64_t number,
                        absl::string_view secret) const {
  RLHF_CHECK(!empty());
  const uint64_t start =
      Xxh3(HmacSha256Hex(secret, absl::StrCat("gold/", worker_id)));
  Task task =
      questions_[(start + static_cast<uint64_t>(number)) % questions_.size()];
  task.task_id =
      HmacSha256Hex(secret, absl::StrCat("gold/", worker_id, "/", number))
          .substr(0, 16);
  return task;
}

}  // namespace rlhf
