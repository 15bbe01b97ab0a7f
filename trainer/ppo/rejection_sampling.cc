#include "trainer/ppo/rejection_sampling.h"

#include <ATen/TensorOperators.h>

#include <algorithm>

#include "trainer/ppo/response_groups.h"

namespace rlhf {

std::vector<int64_t> BestOfEachGroup(const at::Tensor& score_S,
                                     int64_t group_size) {
  const at::Tensor score_GK =
      GroupRows(score_S, group_size).to(at::kCPU).contiguous();
  const double* score = score_GK.const_data_ptr<double>();
  std::vector<int64_t> best;
  for (int64_t begin = 0; begin < score_GK.numel(); begin += group_size) {
    const double* group = score + begin;
    best.push_back(std::max_element(group, group + group_size) - score);
  }
  return best;
}

at::Tensor ImitationLossSum(const at::Tensor& logprob_N) {
  return -logprob_N.sum();
}

}  // namespace rlhf
