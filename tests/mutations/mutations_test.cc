// Whatever a file holds, reading it ends, with a result or a message that names
// it, and touches no memory that is not its own (under the asan preset). Valid
// files are damaged at random, the same way every time; RLHF_MUTATIONS says how
// often (default 300 for each kind of file).
#include <cstdlib>
#include <functional>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/comparisons/parse_comparisons.h"
#include "core/config/run_config.h"
#include "core/nn/model_directory.h"
#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"
#include "feedback/batch/language.h"
#include "feedback/batch/min_hash.h"
#include "feedback/batch/personal_data.h"
#include "feedback/webhook_payloads.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"
#include "trainer/experience/rollout_journal.h"

namespace rlhf {
namespace {

int NumMutations() {
  const char* wanted = std::getenv("RLHF_MUTATIONS");
  int count = 300;
  if (wanted != nullptr) {
    EXPECT_TRUE(absl::SimpleAtoi(wanted, &count));
  }
  return count;
}

// One to four wounds: a byte changed, a piece cut out, doubled or put
// elsewhere, the end cut off, or a number made strange.
std::string Damage(std::string bytes, std::mt19937& random) {
  constexpr const char* kStrange[] = {
      "-1", "0", "99999999999999999999", "1e9", "{", "[[[[[[[[", "\xff\xfe"};
  for (uint32_t wounds = 1 + random() % 4; wounds > 0; --wounds) {
    if (bytes.empty()) return bytes;
    const size_t at = random() % bytes.size();
    const size_t size = 1 + random() % std::min<size_t>(64, bytes.size() - at);
    switch (random() % 6) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, size);
        break;
      case 2:
        bytes.insert(at, bytes.substr(at, size));
        break;
      case 3:
        bytes.insert(random() % bytes.size(), bytes.substr(at, size));
        break;
      case 4:
        bytes.resize(at);
        break;
      default:
        bytes.replace(at, size, kStrange[random() % std::size(kStrange)]);
    }
  }
  return bytes;
}

// Reads many damaged versions of `valid`; errors must say something.
void Survives(const std::string& valid,
              const std::function<absl::Status(const std::string&)>& read) {
  ASSERT_OK(read(valid));
  std::mt19937 random(20261126);
  int refused = 0;
  for (int i = 0; i < NumMutations(); ++i) {
    const absl::Status status = read(Damage(valid, random));
    if (status.ok()) continue;
    ++refused;
    EXPECT_FALSE(status.message().empty());
  }
  EXPECT_GT(refused, 0) << "no damage was noticed";
}

class MutationsTest : public testing::Test {
 protected:
  // A function that writes its argument to `path` and then reads by `load`.
  std::function<absl::Status(const std::string&)> AsFile(
      const std::string& path, std::function<absl::Status()> load) {
    return [path, load = std::move(load)](const std::string& bytes) {
      EXPECT_OK(WriteFileAtomically(path, bytes));
      return load();
    };
  }
  std::string Contents(const std::string& path) {
    auto text = ReadFile(path);
    EXPECT_OK(text);
    return text.ok() ? *text : "";
  }

  const TempDir folder_;
};

TEST_F(MutationsTest, Safetensors) {
  const std::string model = folder_ / "model";
  ASSERT_OK(WriteTinyModel(model, 1));
  const std::string path = model + "/model.safetensors";
  // Only where tensors are described: damage to numbers is nothing to notice.
  const std::string whole = Contents(path);
  const size_t numbers = whole.find("}}") + 2;
  const auto load = AsFile(path, [&] { return LoadModel(model).status(); });
  Survives(whole.substr(0, numbers), [&](const std::string& header) {
    return load(header + whole.substr(numbers));
  });
}

TEST_F(MutationsTest, ModelConfig) {
  const std::string model = folder_ / "model";
  ASSERT_OK(WriteTinyModel(model, 1));
  const std::string path = model + "/config.json";
  Survives(Contents(path),
           AsFile(path, [&] { return LoadModel(model).status(); }));
}

TEST_F(MutationsTest, TokenizerAndChatTemplate) {
  ASSERT_OK(WriteTinyModel(folder_ / "model", 1));
  const std::string model = folder_ / "model";
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    const std::string path = absl::StrCat(model, "/", name);
    const std::string valid = Contents(path);
    const auto load = [&]() -> absl::Status {
      const auto tokenizer = Tokenizer::Load(model);
      if (!tokenizer.ok()) return tokenizer.status();
      (*tokenizer)
          ->Decode((*tokenizer)->Encode("Grüße, 世界! 12 <|im_end|>"),
                   /*skip_special=*/false);
      return ChatFormat::Load(model).status();
    };
    Survives(valid, AsFile(path, load));
    ASSERT_OK(WriteFileAtomically(path, valid));
  }
}

TEST_F(MutationsTest, BatchesOfComparisons) {
  Survives(
      R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"}
{"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"}
{"prompt": {"messages": [{"role": "user", "content": "Hi"}]}, "response_a": "x", "response_b": "y", "choice": "A_BETTER", "strength": 2}
)",
      [](const std::string& text) {
        return ParseComparisons(text, "batch.jsonl").status();
      });
}

TEST_F(MutationsTest, WebhooksOfLabellingTools) {
  Survives(
      R"({"type": "response.created", "timestamp": "2026-11-27T05:00:00Z", "data": {"values": {"preference": {"value": "response2"}}, "status": "submitted", "record": {"id": "1", "fields": {"prompt": "a", "response1": "b", "response2": "c"}}, "user": {"id": "u"}}})",
      [](const std::string& text) { return ReadArgillaEvent(text).status(); });
  Survives(
      R"({"action": "ANNOTATION_CREATED", "annotation": {"updated_at": "2026-11-27T05:00:00Z", "result": []}, "task": {"id": 1, "data": {"prompt": "a"}}})",
      [](const std::string& text) {
        return ReadLabelStudioEvent(text).status();
      });
}

TEST_F(MutationsTest, TextsThatTheBatchGateReads) {
  Survives(
      "Write to ada@mail.example.org or +49 30 1234567, (415) 234-5678, "
      "DE89 3704 0044 0532 0130 00, 4111 1111 1111 1111, 93.184.216.34, "
      "536-22-1234. Größe, 世界, привет",
      [](const std::string& text) {
        std::vector<uint32_t> shingles;
        AddShingles(text, shingles);
        DetectLanguage(text);
        size_t end = 0;
        const std::vector<PersonalDatum> found = FindPersonalData(text);
        for (const PersonalDatum& datum : found) {
          RLHF_CHECK(datum.begin >= end && datum.size > 0);
          end = datum.begin + datum.size;
        }
        RLHF_CHECK(end <= text.size());
        return found.size() == 7 ? absl::OkStatus()
                                 : absl::NotFoundError("another number");
      });
}

TEST_F(MutationsTest, RunFiles) {
  Survives(
      "name: \"a\"\ninitial_policy: \"m\"\nprompts: \"p\"\n"
      "ppo { num_updates: 7 kl_coefficient: 0.05 }\n"
      "preference { refresh_at: [64, 128] }\n",
      [](const std::string& text) {
        return ParseRunConfig(text, "run.txtpb", {}).status();
      });
}

TEST_F(MutationsTest, RolloutJournals) {
  const std::string path = folder_ / "000001.pb";
  v1::BatchHeader header;
  header.set_update(1);
  {
    auto journal = RolloutJournal::Create(path, header);
    ASSERT_OK(journal);
    std::vector<v1::Rollout> rollouts(3);
    for (size_t i = 0; i < rollouts.size(); ++i) {
      rollouts[i].set_rollout_id(absl::StrCat("000001/00", i));
      rollouts[i].set_response_text("hello");
    }
    ASSERT_OK(journal->Append(rollouts));
  }
  Survives(Contents(path),
           AsFile(path, [&] { return RolloutJournal::Read(path).status(); }));
}

}  // namespace
}  // namespace rlhf
