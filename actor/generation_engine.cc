#include "actor/generation_engine.h"

#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/nn/sampler.h"
#include "core/nn/torch_call.h"

namespace rlhf {

GenerationEngine::GenerationEngine(std::shared_ptr<const Transformer> model,
                                   Options options)
    : model_(std::move(model)),
      options_(std::move(options)),
      cache_(model_->config(), options_.max_batch, options_.max_tokens,
             model_->parameters()[0].tensor.options()) {}

absl::Status GenerationEngine::Validate(const EngineRequest& request) const {
  if (request.prompt_ids.empty()) {
    return absl::InvalidArgumentError("the prompt has no tokens");
  }
  const int64_t total =
      static_cast<int64_t>(request.prompt_ids.size()) + request.max_new_tokens;
  if (request.max_new_tokens < 1 || total > options_.max_tokens) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a prompt of ", request.prompt_ids.size(), " tokens and ",
        request.max_new_tokens, " new ones exceed the limit of ",
        options_.max_tokens, " tokens (or no new token was asked for)"));
  }
  for (const int32_t id : request.prompt_ids) {
    if (id < 0 || id >= model_->config().vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("token id ", id, " is outside the vocabulary of ",
                       model_->config().vocab_size));
    }
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
  for (size_t row = 0; row < running_.size(); ++row) {
    if (running_[row].request.id != id) continue;
    RemoveRow(static_cast<int64_t>(row));
    return true;
  }
  return false;
}

void GenerationEngine::SetModel(std::shared_ptr<const Transformer> model) {
  RLHF_CHECK(idle());
  model_ = std::move(model);
}

absl::StatusOr<std::vector<EngineResult>> GenerationEngine::Step() {
  auto results = TorchCall("generate", [this] {
    const c10::InferenceMode no_autograd;
    const int64_t num_decoding = cache_.num_rows();
    if (num_decoding > 0) {
      std::vector<int64_t> last_tokens;
      for (const Sequence& sequence : running_) {
        last_tokens.push_back(sequence.result.token_ids.back());
      }
      const at::Tensor token_B =
          at::tensor(last_tokens, at::TensorOptions(at::kLong))
              .to(model_->device());
      Extend(model_->DecodeLogits(token_B, cache_), 0);
    }
    const at::Tensor admitted = Admit();
    if (admitted.defined()) Extend(admitted, num_decoding);
    return RemoveFinished();
  });
  if (!results.ok()) {
    waiting_.clear();
    running_.clear();
    cache_.Clear();
  }
  return results;
}

at::Tensor GenerationEngine::Admit() {
  std::vector<std::vector<int32_t>> prompts;
  std::vector<int64_t> rows;
  // Samples of one prompt share its prefill, so it counts once.
  std::set<std::vector<int32_t>> distinct;
  int64_t num_tokens = 0;
  while (!waiting_.empty() && cache_.num_rows() < options_.max_batch) {
    EngineRequest& request = waiting_.front();
    if (!distinct.contains(request.prompt_ids)) {
      const auto size = static_cast<int64_t>(request.prompt_ids.size());
      if (num_tokens > 0 && num_tokens + size > options_.max_prefill_tokens) {
        break;
      }
      distinct.insert(request.prompt_ids);
      num_tokens += size;
    }
    prompts.push_back(request.prompt_ids);
    rows.push_back(cache_.AddRow());
    EngineResult result{.id = request.id};
    running_.push_back({std::move(request), std::move(result)});
    waiting_.pop_front();
  }
  if (prompts.empty()) return {};
  return model_->Logits(
      model_->Prefill(Pack(prompts, model_->device()), rows, cache_));
}

void GenerationEngine::Extend(const at::Tensor& logit_BV, int64_t first_row) {
  // Rows may ask for different temperatures: each distinct one is sampled from
  // its own rows. In practice there is one or two.
  std::map<double, std::vector<int64_t>> rows_by_temperature;
  for (int64_t i = 0; i < logit_BV.size(0); ++i) {
    rows_by_temperature[running_[first_row + i].request.temperature].push_back(
        i);
  }
  for (const auto& [temperature, rows] : rows_by_temperature) {
    std::vector<double> uniforms;
    for (const int64_t i : rows) {
      const Sequence& sequence = running_[first_row + i];
      uniforms.push_back(
          UniformAt(sequence.request.stream,
                    static_cast<int64_t>(sequence.result.token_ids.size())));
    }
    const bool all = static_cast<int64_t>(rows.size()) == logit_BV.size(0);
    const at::Tensor logits =
        all ? logit_BV
            : logit_BV.index_select(
                  0, at::tensor(rows, at::TensorOptions(at::kLong))
                         .to(logit_BV.device()));
    const std::vector<SampledToken> tokens =
        SampleTokens(logits, temperature, uniforms);
    for (size_t i = 0; i < rows.size(); ++i) {
      EngineResult& result = running_[first_row + rows[i]].result;
      result.token_ids.push_back(tokens[i].token_id);
      result.logprobs.push_back(tokens[i].logprob);
    }
  }
}

std::vector<EngineResult> GenerationEngine::RemoveFinished() {
  std::vector<EngineResult> finished;
  for (int64_t row = cache_.num_rows() - 1; row >= 0; --row) {
    Sequence& sequence = running_[row];
    const int32_t last = sequence.result.token_ids.back();
    const bool stopped =
        std::find(options_.eos_ids.begin(), options_.eos_ids.end(), last) !=
        options_.eos_ids.end();
    if (!stopped && static_cast<int>(sequence.result.token_ids.size()) <
                        sequence.request.max_new_tokens) {
      continue;
    }
    sequence.result.finish_reason =
        stopped ? v1::FINISH_REASON_STOP : v1::FINISH_REASON_LENGTH;
    finished.push_back(std::move(sequence.result));
    RemoveRow(row);
  }
  return finished;
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
