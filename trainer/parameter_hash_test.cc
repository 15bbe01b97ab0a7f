#include "trainer/parameter_hash.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

NamedTensors Weights() {
  return {{"a", at::tensor({1.0f, 2.0f, 3.0f})}, {"b", at::tensor({4.0f})}};
}

TEST(ParameterHashTest, IsOfTheBitsAlone) {
  EXPECT_EQ(ParameterHash(Weights()), ParameterHash(Weights()));
  EXPECT_EQ(ParameterHash(Weights()).size(), 16);
}

TEST(ParameterHashTest, TellsEveryChange) {
  const std::string before = ParameterHash(Weights());
  NamedTensors weights = Weights();
  // The smallest step that a float can take.
  weights[0].tensor[1].fill_(2.0000002f);
  EXPECT_NE(ParameterHash(weights), before);

  weights = Weights();
  weights[1].name = "c";
  EXPECT_NE(ParameterHash(weights), before);

  weights = Weights();
  std::swap(weights[0].tensor, weights[1].tensor);
  EXPECT_NE(ParameterHash(weights), before);

  weights = Weights();
  std::swap(weights[0], weights[1]);
  EXPECT_NE(ParameterHash(weights), before);
}

}  // namespace
}  // namespace rlhf
