#include "cli/gold_evaluation.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "actor/generation_engine.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "core/nn/device.h"
#include "core/nn/model_directory.h"
#include "core/nn/sampler.h"
#include "core/registry/model_registry.h"
#include "core/text/chat_format.h"
#include "core/text/prompt_set.h"
#include "core/text/tokenizer.h"
#include "trainer/preference/calibration.h"

namespace rlhf {
namespace {

// One response per prompt, in order.
absl::StatusOr<std::vector<std::string>> Respond(
    const v1::RunConfig& config, const std::string& directory,
    const std::vector<v1::Prompt>& prompts) {
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(directory));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format, ChatFormat::Load(directory));
  RLHF_ASSIGN_OR_RETURN(const at::Device device,
                        FindDevice("actor.device", config.actor().device()));
  RLHF_ASSIGN_OR_RETURN(Transformer model, LoadModel(directory));
  RLHF_RETURN_IF_ERROR(MoveTo(device, model));
  const std::vector<int32_t> eos_ids = model.config().eos_token_ids;
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<GenerationEngine> engine,
      GenerationEngine::Create(
          ForGeneration(std::move(model)),
          {.max_batch = config.actor().max_batch(),
           .max_tokens = config.sampling().max_prompt_tokens() +
                         config.sampling().max_new_tokens(),
           .eos_ids = eos_ids}));
  for (size_t i = 0; i < prompts.size(); ++i) {
    RLHF_ASSIGN_OR_RETURN(const std::string text,
                          format.Render(prompts[i].messages(), true));
    RLHF_RETURN_IF_ERROR(engine->Add(
        {.id = i,
         .prompt_ids = tokenizer->Encode(text),
         .stream = SampleStream(config.seed() + 1, prompts[i].prompt_id(), 0),
         .max_new_tokens = config.sampling().max_new_tokens(),
         .temperature = config.sampling().temperature()}));
  }
  std::vector<std::string> responses(prompts.size());
  while (!engine->idle()) {
    RLHF_ASSIGN_OR_RETURN(const std::vector<EngineResult> results,
                          engine->Step());
    for (const EngineResult& result : results) {
      responses[result.id] = tokenizer->Decode(result.token_ids, true);
    }
  }
  return responses;
}

// The win rate, a tie being half a win, with its 95 % interval.
void FillWinRate(v1::GoldEvaluation& evaluation) {
  const auto n = static_cast<double>(evaluation.num_prompts());
  const double points = static_cast<double>(evaluation.wins()) +
                        0.5 * static_cast<double>(evaluation.ties());
  const Interval interval = WilsonInterval(points, n);
  evaluation.set_win_rate(points / n);
  evaluation.set_win_rate_low(interval.low);
  evaluation.set_win_rate_high(interval.high);
}

}  // namespace

absl::StatusOr<v1::GoldEvaluation> EvaluateGold(const v1::RunConfig& config,
                                                GoldJudge& judge) {
  const ModelRegistry registry(
      absl::StrCat(RunDirectory(config), "/registry/policy"));
  const int64_t version = registry.Latest();
  if (version == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(RunDirectory(config),
                     ": no policy in the registry yet; the run "
                     "publishes it when its updates are done"));
  }
  RLHF_ASSIGN_OR_RETURN(std::vector<v1::Prompt> prompts,
                        ReadPrompts(config.prompts()));
  std::vector<v1::Prompt> held_out =
      SplitPrompts(std::move(prompts), config.held_out_prompt_share()).held_out;
  const auto wanted = static_cast<size_t>(config.evaluation().num_prompts());
  if (wanted == 0) {
    return absl::FailedPreconditionError(
        "evaluation.num_prompts is 0: nothing is to be evaluated");
  }
  if (held_out.size() < wanted) {
    return absl::FailedPreconditionError(
        absl::StrCat(config.prompts(), ": ", held_out.size(),
                     " prompts are held out, "
                     "evaluation.num_prompts wants ",
                     wanted));
  }
  held_out.resize(wanted);
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> before,
                        Respond(config, config.initial_policy(), held_out));
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> after,
                        Respond(config, registry.Directory(version), held_out));
  v1::GoldEvaluation evaluation;
  evaluation.set_num_prompts(static_cast<int64_t>(wanted));
  evaluation.set_final_policy_version(version);
  double sum_before = 0, sum_after = 0;
  for (size_t i = 0; i < wanted; ++i) {
    RLHF_ASSIGN_OR_RETURN(const GoldScores scores,
                          judge.Judge(held_out[i], before[i], after[i]));
    const double old_score = scores.left;
    const double new_score = scores.right;
    sum_before += old_score;
    sum_after += new_score;
    if (new_score > old_score) evaluation.set_wins(evaluation.wins() + 1);
    if (new_score == old_score) evaluation.set_ties(evaluation.ties() + 1);
    if (new_score < old_score) evaluation.set_losses(evaluation.losses() + 1);
  }
  evaluation.set_gold_mean_initial(sum_before / static_cast<double>(wanted));
  evaluation.set_gold_mean_final(sum_after / static_cast<double>(wanted));
  FillWinRate(evaluation);
  return evaluation;
}

}  // namespace rlhf
