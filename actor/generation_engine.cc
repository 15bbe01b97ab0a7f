#include "actor/generation_engine.h"

#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/nn/sampler.h"
#include "core/nn/torch_call.h"

namespace rlhf {
namespace {

KvCache MakeCache(const ModelConfig& config,
                  const GenerationEngine::Options& options,
                  const at::TensorOptions& tensor_options) {
  if (options.max_cache_tokens == 0) {
    return {config, options.max_batch, options.max_tokens, tensor_options};
  }
  const int64_t tokens = std::min(options.max_tokens, options.max_cache_tokens);
  return {
      config,
      std::min<int64_t>(options.max_batch, options.max_cache_tokens / tokens),
      tokens, tensor_options};
}

absl::Status ValidateSampling(const EngineRequest& request) {
  if (!(request.temperature >= 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "temperature: ", request.temperature, "; wanted 0 (greedy) or more"));
  }
  if (request.truncation.top_k < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("top_k: ", request.truncation.top_k,
                     "; wanted 0 (all tokens) or more"));
  }
  if (!(request.truncation.top_p > 0 && request.truncation.top_p <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "top_p: ", request.truncation.top_p, "; wanted above 0, to 1"));
  }
  return ValidateStops(request.stops);
}

}  // namespace

GenerationEngine::GenerationEngine(std::shared_ptr<const Transformer> model,
                                   Options options)
    : model_(std::move(model)),
      options_(std::move(options)),
      cache_(MakeCache(model_->config(), options_,
                       model_->parameters()[0].tensor.options())) {}

absl::StatusOr<std::unique_ptr<GenerationEngine>> GenerationEngine::Create(
    std::shared_ptr<const Transformer> model, Options options) {
  return TorchCall("memory for the keys and values of a batch", [&] {
    return std::make_unique<GenerationEngine>(std::move(model),
                                              std::move(options));
  });
}

absl::Status GenerationEngine::Validate(const EngineRequest& request) const {
  if (request.prompt_ids.empty()) {
    return absl::InvalidArgumentError("the prompt has no tokens");
  }
  const int64_t total = TokensNeeded(request);
  if (request.max_new_tokens < 1 || total > options_.max_tokens) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a prompt of ", request.prompt_ids.size(), " tokens and ",
        request.max_new_tokens, " new ones exceed the limit of ",
        options_.max_tokens, " tokens (or no new token was asked for)"));
  }
  if (options_.max_cache_tokens > 0 && total > options_.max_cache_tokens) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a prompt of ", request.prompt_ids.size(), " tokens and ",
        request.max_new_tokens, " new ones need ", total,
        " tokens of cache; it has ", options_.max_cache_tokens, " in all"));
  }
  for (const int32_t id : request.prompt_ids) {
    if (id < 0 || id >= model_->config().vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("token id ", id, " is outside the vocabulary of ",
                       model_->config().vocab_size));
    }
  }
  RLHF_RETURN_IF_ERROR(ValidateSampling(request));
  if (!request.stops.strings.empty() && options_.tokenizer == nullptr) {
    return absl::InvalidArgumentError(
        "stop: strings cannot be found without a tokenizer");
  }
  return absl::OkStatus();
}

absl::Status GenerationEngine::Add(EngineRequest request) {
  RLHF_RETURN_IF_ERROR(Validate(request));
  waiting_.push_back(std::move(request));
  return absl::OkStatus();
}

bool GenerationEngine::Cancel(uint64_t id) {
  const auto waiting = std::find_if(
      waiting_.begin(), waiting_.end(),
      [id](const EngineRequest& request) { return request.id == id; });
  if (waiting != waiting_.end()) {
    waiting_.erase(waiting);
    return true;
  }
  // What Step allocated may not be written without it.
  const c10::InferenceMode no_autograd;
  for (size_t row = 0; row < running_.size(); ++row) {
    if (running_[row].request.id != id) continue;
    RemoveRow(static_cast<int64_t>(row));
    return true;
  }
  return false;
}

const EngineResult* GenerationEngine::Find(uint64_t id) const {
  for (const Sequence& sequence : running_) {
    if (sequence.request.id == id) return &sequence.result;
  }
  return nullptr;
}

void GenerationEngine::SetModel(std::shared_ptr<const Transformer> model,
                                int64_t version, OldCache old_cache) {
  model_ = std::move(model);
  version_ = version;
  // A prompt that is half taken begins again, whatever becomes of the rows: its
  // first token is drawn from the new version's logits.
  staged_.Clear();
  if (old_cache == OldCache::kRecompute && !running_.empty()) recompute_ = true;
}

absl::StatusOr<std::vector<EngineResult>> GenerationEngine::Step() {
  std::vector<EngineResult> finished;
  const absl::Status status = TorchCall("generate", [&] {
    const c10::InferenceMode no_autograd;
    RemoveExpired(finished);
    if (std::exchange(recompute_, false)) Recompute();
    const int64_t num_decoding = cache_.num_rows();
    if (num_decoding > 0) Decode();
    const at::Tensor admitted = Admit();
    if (admitted.defined()) Extend(admitted, num_decoding);
    RemoveFinished(finished);
  });
  if (!status.ok()) {
    waiting_.clear();
    running_.clear();
    staged_.Clear();
    // Where LibTorch works no more, `status` says so.
    TorchCall("clear the cache", [&] {
      const c10::InferenceMode no_autograd;
      cache_.Clear();
    }).IgnoreError();
    return status;
  }
  return finished;
}

void GenerationEngine::RemoveExpired(std::vector<EngineResult>& finished) {
  const absl::Time now =
      options_.clock == nullptr ? MonotonicNow() : options_.clock->Monotonic();
  for (int64_t row = cache_.num_rows() - 1; row >= 0; --row) {
    Sequence& sequence = running_[row];
    if (sequence.request.deadline > now) continue;
    sequence.result.finish_reason = v1::FINISH_REASON_DEADLINE;
    finished.push_back(std::move(sequence.result));
    RemoveRow(row);
  }
  std::erase_if(waiting_, [&](const EngineRequest& request) {
    if (request.deadline > now) return false;
    finished.push_back(
        {.id = request.id, .finish_reason = v1::FINISH_REASON_DEADLINE});
    return true;
  });
}

void GenerationEngine::Decode() {
  std::vector<int64_t> last_tokens;
  for (const Sequence& sequence : running_) {
    last_tokens.push_back(sequence.result.token_ids.back());
  }
  const at::Tensor token_B =
      at::tensor(last_tokens, at::TensorOptions(at::kLong))
          .to(model_->device());
  Extend(model_->DecodeLogits(token_B, cache_), 0);
}

void GenerationEngine::Extend(const at::Tensor& logit_BV, int64_t first_row) {
  std::vector<SamplingParams> params;
  std::vector<double> uniforms;
  for (int64_t i = 0; i < logit_BV.size(0); ++i) {
    const Sequence& sequence = running_[first_row + i];
    params.push_back({.temperature = sequence.request.temperature,
                      .truncation = sequence.request.truncation});
    uniforms.push_back(
        UniformAt(sequence.request.stream,
                  static_cast<int64_t>(sequence.result.token_ids.size())));
  }
  const std::vector<SampledToken> tokens =
      SampleTokens(logit_BV, params, uniforms);
  for (size_t i = 0; i < tokens.size(); ++i) {
    Sequence& sequence = running_[first_row + static_cast<int64_t>(i)];
    EngineResult& result = sequence.result;
    result.token_ids.push_back(tokens[i].token_id);
    result.logprobs.push_back(tokens[i].logprob);
    result.model_logprobs.push_back(tokens[i].model_logprob);
    if (result.versions.empty() || result.versions.back().version != version_) {
      result.versions.push_back({.version = version_, .num_tokens = 0});
    }
    ++result.versions.back().num_tokens;
    const size_t checked = result.text.size();
    if (options_.tokenizer != nullptr) {
      absl::StrAppend(&result.text,
                      options_.tokenizer->TextBytes(tokens[i].token_id));
    }
    Judge(sequence, checked);
  }
}

void GenerationEngine::Judge(Sequence& sequence, size_t checked) const {
  const StopConditions& stops = sequence.request.stops;
  EngineResult& result = sequence.result;
  const auto ends = [&](v1::FinishReason reason) {
    result.finish_reason = reason;
  };
  if (std::find(options_.eos_ids.begin(), options_.eos_ids.end(),
                result.token_ids.back()) != options_.eos_ids.end()) {
    return ends(v1::FINISH_REASON_STOP);
  }
  if (!stops.strings.empty()) {
    const std::optional<size_t> begin =
        FindStop(result.text, checked, stops.strings);
    if (begin.has_value()) {
      result.text.resize(*begin);
      return ends(v1::FINISH_REASON_STOP_STRING);
    }
  }
  if (EndsInRepetition(result.token_ids, stops.repetition_block,
                       stops.repetition_copies)) {
    return ends(v1::FINISH_REASON_REPETITION);
  }
  if (static_cast<int>(result.token_ids.size()) >=
      sequence.request.max_new_tokens) {
    ends(v1::FINISH_REASON_LENGTH);
  }
}

void GenerationEngine::RemoveFinished(std::vector<EngineResult>& finished) {
  for (int64_t row = cache_.num_rows() - 1; row >= 0; --row) {
    EngineResult& result = running_[row].result;
    if (result.finish_reason == v1::FINISH_REASON_UNSPECIFIED) continue;
    finished.push_back(std::move(result));
    RemoveRow(row);
  }
}

void GenerationEngine::RemoveRow(int64_t row) {
  // The cache moves its last row into the hole; so do we.
  cache_.RemoveRow(row);
  if (row + 1 != static_cast<int64_t>(running_.size())) {
    running_[row] = std::move(running_.back());
  }
  running_.pop_back();
}

}  // namespace rlhf
