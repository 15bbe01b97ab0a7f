#include "cli/pm_judge.h"

#include "core/base/status_macros.h"
#include "reward_server/pm_scores.h"

namespace rlhf {
namespace {

constexpr int64_t kMaxTokens = 4096;

class PmJudge final : public GoldJudge {
 public:
  explicit PmJudge(std::shared_ptr<const LoadedPm> pm) : pm_(std::move(pm)) {}

  absl::StatusOr<GoldScores> Judge(const v1::Prompt& prompt,
                                   const std::string& left,
                                   const std::string& right) override {
    std::vector<std::vector<int32_t>> sequences;
    for (const std::string* response : {&left, &right}) {
      v1::ScoredDialogue dialogue;
      *dialogue.mutable_prompt() = prompt.messages();
      dialogue.set_response(*response);
      RLHF_ASSIGN_OR_RETURN(sequences.emplace_back(), pm_->Encode(dialogue));
    }
    RLHF_ASSIGN_OR_RETURN(const PmScores scores,
                          ScoreDialogues(*pm_, sequences, kMaxTokens));
    return GoldScores{.left = scores.combined[0], .right = scores.combined[1]};
  }

 private:
  const std::shared_ptr<const LoadedPm> pm_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GoldJudge>> MakeGoldJudge(
    const std::string& directory) {
  if (directory.empty()) return std::make_unique<RuleJudge>();
  RLHF_ASSIGN_OR_RETURN(std::shared_ptr<const LoadedPm> pm,
                        LoadPm(directory, v1::ModelVersion()));
  return std::make_unique<PmJudge>(std::move(pm));
}

}  // namespace rlhf
