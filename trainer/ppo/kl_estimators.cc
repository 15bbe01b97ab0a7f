#include "trainer/ppo/kl_estimators.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <numeric>

#include "core/base/check.h"

namespace rlhf {
namespace {

at::Tensor LogRatio(const at::Tensor& logprob_N,
                    const at::Tensor& ref_logprob_N) {
  RLHF_CHECK(logprob_N.sizes() == ref_logprob_N.sizes())
      << "log-probabilities of shapes " << logprob_N.sizes() << " and "
      << ref_logprob_N.sizes();
  return ref_logprob_N - logprob_N;
}

double Sum(const at::Tensor& values) {
  return values.sum(at::kDouble).item<double>();
}

}  // namespace

at::Tensor KlK1(const at::Tensor& logprob_N, const at::Tensor& ref_logprob_N) {
  return -LogRatio(logprob_N, ref_logprob_N);
}

at::Tensor KlK2(const at::Tensor& logprob_N, const at::Tensor& ref_logprob_N) {
  return LogRatio(logprob_N, ref_logprob_N).square() / 2;
}

at::Tensor KlK3(const at::Tensor& logprob_N, const at::Tensor& ref_logprob_N) {
  const at::Tensor log_ratio_N = LogRatio(logprob_N, ref_logprob_N);
  // expm1 keeps the digits that r - 1 would lose where r is near 1.
  return log_ratio_N.expm1() - log_ratio_N;
}

KlSums SumKl(const at::Tensor& logprob_N, const at::Tensor& ref_logprob_N) {
  return {.k1_nats = Sum(KlK1(logprob_N, ref_logprob_N)),
          .k3_nats = Sum(KlK3(logprob_N, ref_logprob_N)),
          .num_tokens = logprob_N.numel()};
}

std::vector<double> KlK3OfResponses(const at::Tensor& logprob_N,
                                    const at::Tensor& ref_logprob_N,
                                    const std::vector<int64_t>& lengths) {
  const at::Tensor kl_N =
      KlK3(logprob_N, ref_logprob_N).to(at::kCPU, at::kDouble).contiguous();
  const double* token = kl_N.const_data_ptr<double>();
  RLHF_CHECK(std::accumulate(lengths.begin(), lengths.end(), int64_t{0}) ==
             kl_N.numel())
      << "responses of other lengths than the " << kl_N.numel() << " tokens";
  std::vector<double> sums;
  for (const int64_t length : lengths) {
    sums.push_back(std::accumulate(token, token + length, 0.0));
    token += length;
  }
  return sums;
}

KlSummary SummarizeKl(const KlSums& sums, int64_t num_sequences) {
  const double sequences = std::max<int64_t>(num_sequences, 1);
  const double tokens = std::max<int64_t>(sums.num_tokens, 1);
  return {.k1_nats_per_sequence = sums.k1_nats / sequences,
          .k3_nats_per_sequence = sums.k3_nats / sequences,
          .k1_nats_per_token = sums.k1_nats / tokens,
          .k3_nats_per_token = sums.k3_nats / tokens};
}

}  // namespace rlhf
