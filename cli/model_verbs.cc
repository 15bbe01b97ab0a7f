// tokenize, generate and score: how anyone checks this system against another.
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "actor/generation_engine.h"
#include "cli/jsonl.h"
#include "cli/verbs.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/comparisons/preference_pair.h"
#include "core/nn/device.h"
#include "core/nn/model_directory.h"
#include "core/nn/sampler.h"
#include "core/text/byte_level.h"
#include "core/text/prompt_set.h"
#include "core/text/tokenizer.h"
#include "reward_server/pm_scores.h"

namespace rlhf {
namespace {

absl::StatusOr<std::string> ModelFlag(const Flags& flags) {
  if (flags.String("model").empty()) {
    return absl::InvalidArgumentError("--model is needed");
  }
  return flags.String("model");
}

absl::StatusOr<at::ScalarType> DtypeFlag(const Flags& flags) {
  const std::string& name = flags.String("dtype");
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16") return at::kBFloat16;
  return absl::InvalidArgumentError(
      absl::StrCat("--dtype=", name, ": wanted float32, bfloat16 or int8"));
}

// The prompt tokens and the sampling key of one input line.
struct GenerateInput {
  std::vector<int32_t> ids;
  std::string key;
};

absl::StatusOr<std::vector<int32_t>> ReadIds(const Json& list,
                                             int64_t vocab_size) {
  if (!list.is_array()) {
    return absl::InvalidArgumentError("\"ids\" is not a list");
  }
  std::vector<int32_t> ids;
  for (const Json& id : list) {
    if (!id.is_number_integer() || id < 0 || id >= vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"ids\" holds ", id.dump(), "; wanted 0 to ",
                       vocab_size - 1, ", the model's vocabulary"));
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

absl::StatusOr<GenerateInput> ReadGenerateInput(const Json& json,
                                                const Tokenizer& tokenizer,
                                                const std::string& directory,
                                                const ModelConfig& model) {
  GenerateInput input;
  if (json.is_object() && json.contains("ids")) {
    RLHF_ASSIGN_OR_RETURN(input.ids, ReadIds(json.at("ids"), model.vocab_size));
    input.key = json.at("ids").dump();
  } else {
    RLHF_ASSIGN_OR_RETURN(const v1::Prompt prompt, ParsePrompt(json));
    RLHF_ASSIGN_OR_RETURN(const ChatFormat format, ChatFormat::Load(directory));
    RLHF_ASSIGN_OR_RETURN(const std::string text,
                          format.Render(prompt.messages(), true));
    input.ids = tokenizer.Encode(text);
    input.key = prompt.prompt_id();
  }
  const auto size = static_cast<int64_t>(input.ids.size());
  if (size == 0 || size >= model.max_positions) {
    return absl::InvalidArgumentError(
        absl::StrCat("the prompt has ", size, " tokens; the model takes 1 to ",
                     model.max_positions - 1));
  }
  return input;
}

absl::string_view NameOf(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_STOP:
      return "stop";
    case v1::FINISH_REASON_STOP_STRING:
      return "stop_string";
    case v1::FINISH_REASON_REPETITION:
      return "repetition";
    case v1::FINISH_REASON_DEADLINE:
      return "deadline";
    default:
      return "length";
  }
}

// The model of --model in --dtype on --device.
absl::StatusOr<std::shared_ptr<const Transformer>> LoadGenerator(
    const Flags& flags, const std::string& directory) {
  const bool int8 = flags.String("dtype") == "int8";
  at::ScalarType dtype = at::kFloat;
  if (!int8) {
    RLHF_ASSIGN_OR_RETURN(dtype, DtypeFlag(flags));
  }
  RLHF_ASSIGN_OR_RETURN(const at::Device device,
                        FindDevice("--device", flags.String("device")));
  if (int8 && !device.is_cpu()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dtype=int8 computes on the cpu alone, --device is ",
                     flags.String("device"), "; wanted float32 or bfloat16"));
  }
  RLHF_ASSIGN_OR_RETURN(Transformer model, LoadModel(directory));
  if (dtype != at::kFloat) model = model.Cast(dtype);
  RLHF_RETURN_IF_ERROR(MoveTo(device, model));
  return ForGeneration(std::move(model), int8);
}

absl::Status PrintResult(const EngineResult& result) {
  return PrintLine(
      {{"text", ReplaceInvalidUtf8(result.text)},
       {"ids", result.token_ids},
       {"logprobs", result.logprobs},
       {"model_logprobs", result.model_logprobs},
       {"finish_reason", std::string(NameOf(result.finish_reason))}});
}

// What all requests of one call have in common.
EngineRequest RequestOf(const Flags& flags) {
  const double max_seconds = flags.Double("max-seconds");
  return {.temperature = flags.Double("temperature"),
          .truncation = {.top_k = flags.Int("top-k"),
                         .top_p = flags.Double("top-p")},
          .stops = {.strings = flags.Repeated("stop"),
                    .repetition_block =
                        static_cast<int>(flags.Int("repetition-block")),
                    .repetition_copies =
                        static_cast<int>(flags.Int("repetition-copies"))},
          .deadline = max_seconds == 0
                          ? absl::InfiniteFuture()
                          : MonotonicNow() + absl::Seconds(max_seconds)};
}

absl::StatusOr<std::vector<v1::ScoredDialogue>> ReadScoreInput(
    const Json& json) {
  std::vector<v1::ScoredDialogue> dialogues;
  if (json.is_object() && json.contains("chosen")) {
    RLHF_ASSIGN_OR_RETURN(PreferenceDialogues sides,
                          ReadPreferenceDialogues(json));
    for (Messages* side : {&sides.chosen, &sides.rejected}) {
      v1::ScoredDialogue& dialogue = dialogues.emplace_back();
      dialogue.set_response((*side)[side->size() - 1].content());
      side->RemoveLast();
      *dialogue.mutable_prompt() = std::move(*side);
    }
    return dialogues;
  }
  v1::ScoredDialogue& dialogue = dialogues.emplace_back();
  RLHF_ASSIGN_OR_RETURN(const v1::Prompt prompt, ParsePrompt(json));
  *dialogue.mutable_prompt() = prompt.messages();
  RLHF_ASSIGN_OR_RETURN(*dialogue.mutable_response(),
                        GetString(json, "response"));
  return dialogues;
}

}  // namespace

absl::Status TokenizeVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const std::string directory, ModelFlag(flags));
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(directory));
  return ForEachLine(flags.String("input"), [&](const Json& json) {
    const auto text = GetString(json, "text");
    return text.ok() ? PrintLine({{"ids", tokenizer->Encode(*text)}})
                     : text.status();
  });
}

absl::Status GenerateVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const std::string directory, ModelFlag(flags));
  // The clearest word on a directory that is none, before any input is read.
  RLHF_ASSIGN_OR_RETURN(const ModelConfig config, LoadModelConfig(directory));
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(directory));
  std::vector<GenerateInput> inputs;
  RLHF_RETURN_IF_ERROR(
      ForEachLine(flags.String("input"), [&](const Json& json) {
        auto input = ReadGenerateInput(json, *tokenizer, directory, config);
        if (input.ok()) inputs.push_back(*std::move(input));
        return input.status();
      }));
  if (inputs.empty()) return absl::OkStatus();
  RLHF_ASSIGN_OR_RETURN(const std::shared_ptr<const Transformer> model,
                        LoadGenerator(flags, directory));
  int64_t longest = 0;
  for (const GenerateInput& input : inputs) {
    longest = std::max(longest, static_cast<int64_t>(input.ids.size()));
  }
  // A response ends with the model's positions, whatever was asked for.
  const int64_t limit = config.max_positions;
  const int64_t max_new_tokens = flags.Int("max-new-tokens");
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<GenerationEngine> engine,
      GenerationEngine::Create(
          model, {.max_batch = static_cast<int>(std::min<int64_t>(
                      flags.Int("batch"), static_cast<int64_t>(inputs.size()))),
                  .max_tokens = std::min(limit, longest + max_new_tokens),
                  .eos_ids = config.eos_token_ids,
                  .tokenizer = tokenizer.get()}));
  EngineRequest request = RequestOf(flags);
  for (size_t i = 0; i < inputs.size(); ++i) {
    request.id = i;
    request.prompt_ids = inputs[i].ids;
    request.stream = SampleStream(static_cast<uint64_t>(flags.Int("seed")),
                                  inputs[i].key, 0);
    request.max_new_tokens = static_cast<int>(std::min(
        max_new_tokens, limit - static_cast<int64_t>(inputs[i].ids.size())));
    RLHF_RETURN_IF_ERROR(engine->Add(request));
  }
  // Results come in any order; lines go out in the order of the input.
  std::map<uint64_t, EngineResult> done;
  uint64_t next = 0;
  while (!engine->idle()) {
    RLHF_ASSIGN_OR_RETURN(std::vector<EngineResult> results, engine->Step());
    for (EngineResult& result : results) {
      const uint64_t id = result.id;
      done.emplace(id, std::move(result));
    }
    while (!done.empty() && done.begin()->first == next) {
      RLHF_RETURN_IF_ERROR(PrintResult(done.begin()->second));
      done.erase(done.begin());
      ++next;
    }
  }
  return absl::OkStatus();
}

absl::Status ScoreVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const std::string directory, ModelFlag(flags));
  RLHF_ASSIGN_OR_RETURN(const at::Device device,
                        FindDevice("--device", flags.String("device")));
  RLHF_ASSIGN_OR_RETURN(
      const std::shared_ptr<const LoadedPm> pm,
      LoadPm(directory, v1::ModelVersion(), at::kFloat, device));
  return ForEachLine(flags.String("input"), [&](const Json& json) {
    return [&]() -> absl::Status {
      RLHF_ASSIGN_OR_RETURN(const std::vector<v1::ScoredDialogue> dialogues,
                            ReadScoreInput(json));
      std::vector<std::vector<int32_t>> sequences;
      for (const v1::ScoredDialogue& dialogue : dialogues) {
        RLHF_ASSIGN_OR_RETURN(sequences.emplace_back(), pm->Encode(dialogue));
      }
      RLHF_ASSIGN_OR_RETURN(
          const PmScores found,
          ScoreDialogues(*pm, sequences, /*max_tokens=*/8192));
      const std::vector<float>& scores = found.combined;
      if (scores.size() == 1) return PrintLine({{"score", scores[0]}});
      return PrintLine(
          {{"chosen_score", scores[0]}, {"rejected_score", scores[1]}});
    }();
  });
}

}  // namespace rlhf
