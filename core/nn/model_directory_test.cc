#include "core/nn/model_directory.h"

#include <ATen/ops/equal.h>

#include <filesystem>

#include "core/base/file.h"
#include "core/nn/nn_fixtures.h"
#include "core/nn/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ModelDirectoryTest : public testing::Test {
 protected:
  // A copy of a fixture's config.json, without weights.
  void CopyConfig() {
    std::filesystem::copy(NnFixture("llama_tied") + "/config.json",
                          folder_ / "config.json");
  }
  TempDir folder_;
};

TEST_F(ModelDirectoryTest, ASavedModelLoadsEqual) {
  ASSERT_OK_AND_ASSIGN(const Transformer model, LoadModel(NnFixture("qwen3")));
  ASSERT_OK(SaveModel(model, NnFixture("qwen3"), folder_.path()));

  ASSERT_OK_AND_ASSIGN(const Transformer again, LoadModel(folder_.path()));

  ASSERT_EQ(again.parameters().size(), model.parameters().size());
  for (size_t i = 0; i < model.parameters().size(); ++i) {
    EXPECT_TRUE(
        at::equal(again.parameters()[i].tensor, model.parameters()[i].tensor));
  }
}

TEST_F(ModelDirectoryTest, ShardsAreFoundThroughTheIndex) {
  CopyConfig();
  ASSERT_OK_AND_ASSIGN(
      const NamedTensors all,
      ReadSafetensors(NnFixture("llama_tied") + "/model.safetensors"));
  const NamedTensors first(all.begin(), all.begin() + 5);
  const NamedTensors second(all.begin() + 5, all.end());
  ASSERT_OK(WriteSafetensors(folder_ / "s1.safetensors", first));
  ASSERT_OK(WriteSafetensors(folder_ / "s2.safetensors", second));
  ASSERT_OK(WriteFileAtomically(
      folder_ / "model.safetensors.index.json",
      R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})"));

  EXPECT_OK(LoadModel(folder_.path()));

  ASSERT_OK(RemoveAll(folder_ / "s2.safetensors"));
  EXPECT_THAT(LoadModel(folder_.path()),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("s2.safetensors: missing")));
}

TEST_F(ModelDirectoryTest, SaysWhichFilesItWantedWhenThereAreNoWeights) {
  CopyConfig();
  EXPECT_THAT(LoadModel(folder_.path()),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("no weights found"),
                             HasSubstr("model.safetensors"))));
}

TEST_F(ModelDirectoryTest, NeverReadsAPickleBesideTheConfig) {
  CopyConfig();
  ASSERT_OK(WriteFileAtomically(folder_ / "pytorch_model.bin", "PK\x03\x04"));
  EXPECT_THAT(
      LoadModel(folder_.path()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("pytorch_model.bin"), HasSubstr("pickle"))));
}

TEST_F(ModelDirectoryTest, AMissingDirectorySaysHowToGetTheDefaultModel) {
  EXPECT_THAT(LoadModel(folder_ / "absent"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("make setup")));
}

TEST_F(ModelDirectoryTest, RefusesShardNamesThatLeaveTheFolder) {
  CopyConfig();
  ASSERT_OK(WriteFileAtomically(folder_ / "model.safetensors.index.json",
                                R"({"weight_map":{"a":"../x.safetensors"}})"));
  EXPECT_THAT(
      LoadModel(folder_.path()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("same folder")));
}

struct BadConfig {
  const char* json;
  absl::StatusCode code;
  const char* message;
};

TEST(ModelConfigTest, RefusesWhatItWouldComputeWrongly) {
  using absl::StatusCode;
  const BadConfig cases[] = {
      {R"({"architectures":["BertModel"]})", StatusCode::kUnimplemented,
       "unknown architecture \"BertModel\"; known are Llama"},
      {R"({})", StatusCode::kInvalidArgument, "\"architectures\" must be"},
      {R"({"architectures":["MistralForCausalLM"],"sliding_window":4096})",
       StatusCode::kUnimplemented, "sliding-window"},
      {R"({"architectures":["LlamaForCausalLM"],"quantization_config":{}})",
       StatusCode::kUnimplemented, "quantised"},
      {R"({"architectures":["LlamaForCausalLM"],"hidden_act":"gelu"})",
       StatusCode::kUnimplemented, "activation \"gelu\""},
      {R"({"architectures":["LlamaForCausalLM"],"vocab_size":"many"})",
       StatusCode::kInvalidArgument, "\"vocab_size\" must be an integer"},
      {R"({"architectures":["LlamaForCausalLM"],"vocab_size":-3})",
       StatusCode::kInvalidArgument, "\"vocab_size\" is -3"},
      {R"({"architectures":["LlamaForCausalLM"],"vocab_size":8,"hidden_size":8,
           "intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":3,
           "num_key_value_heads":2})",
       StatusCode::kInvalidArgument, "3 heads cannot share 2"},
      {R"({"architectures":["LlamaForCausalLM"],"vocab_size":8,"hidden_size":8,
           "intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":2,
           "rope_scaling":{"rope_type":"yarn"}})",
       StatusCode::kUnimplemented, "rotary scaling \"yarn\""},
  };
  for (const BadConfig& bad : cases) {
    EXPECT_THAT(ParseModelConfig(*ParseJson(bad.json), "dir/config.json"),
                StatusIs(bad.code, AllOf(HasSubstr("dir/config.json"),
                                         HasSubstr(bad.message))))
        << bad.json;
  }
}

}  // namespace
}  // namespace rlhf
