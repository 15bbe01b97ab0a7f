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

// A language model under the name of a preference model would score 0 for ever.
TEST_F(ModelDirectoryTest, APreferenceModelWithoutItsHeadIsRefused) {
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       ReadFile(NnFixture("llama_tied") + "/config.json"));
  Json config = *ParseJson(text);
  config["architectures"] = {"LlamaForSequenceClassification"};
  config["num_labels"] = 1;
  ASSERT_OK(WriteFileAtomically(folder_ / "config.json", config.dump()));
  std::filesystem::copy(NnFixture("llama_tied") + "/model.safetensors",
                        folder_ / "model.safetensors");
  EXPECT_THAT(LoadModel(folder_.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(folder_.path()),
                             HasSubstr("\"score.weight\" is missing"))));
}

TEST_F(ModelDirectoryTest, AWeightWithoutAPlaceIsNamed) {
  CopyConfig();
  ASSERT_OK_AND_ASSIGN(
      NamedTensors weights,
      ReadSafetensors(NnFixture("llama_tied") + "/model.safetensors"));
  weights.push_back({"model.layers.0.self_attn.q_proj.bias",
                     weights.front().tensor.select(0, 0).contiguous()});
  ASSERT_OK(WriteSafetensors(folder_ / "model.safetensors", weights));
  EXPECT_THAT(LoadModel(folder_.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"model.layers.0.self_attn.q_proj.bias\" has "
                                 "no place in this architecture")));
}

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
       StatusCode::kUnimplemented, "\"hidden_act\" is \"gelu\""},
      {R"({"architectures":["LlamaForCausalLM"],"hidden_act":null})",
       StatusCode::kUnimplemented, "\"hidden_act\" is null"},
      {R"({"architectures":["LlamaForCausalLM"],"use_sliding_window":"no"})",
       StatusCode::kInvalidArgument, "\"use_sliding_window\""},
      {R"({"architectures":["LlamaForCausalLM"],"vocab_size":8,"hidden_size":8,
           "intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":2,
           "eos_token_id":"</s>"})",
       StatusCode::kInvalidArgument, "\"eos_token_id\" is \"</s>\""},
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
