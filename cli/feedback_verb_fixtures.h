// `rlhf feedback` of a run in a folder, which no service serves.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/verb_fixtures.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {

inline constexpr char kPair[] =
    R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})"
    "\n";
inline constexpr char kOtherPair[] =
    R"({"prompt": "3+3?", "chosen": "6", "rejected": "7"})"
    "\n";

class FeedbackVerbTest : public testing::Test {
 protected:
  // Nobody listens at port 1.
  void SetUp() override { WriteConfig("127.0.0.1:1", "127.0.0.1:2"); }

  void WriteConfig(const std::string& http_address,
                   const std::string& address) {
    ASSERT_OK(WriteFileAtomically(
        config_path_,
        absl::StrCat("name: \"a\"\ninitial_policy: \"m\"\n"
                     "prompts: \"p.jsonl\"\nruns_dir: \"",
                     folder_.path(), "\"\nfeedback { http_address: \"",
                     http_address, "\" address: \"", address, "\" }\n")));
  }

  std::string File(const std::string& name, const std::string& text) {
    EXPECT_OK(WriteFileAtomically(folder_ / name, text));
    return folder_ / name;
  }

  // `rlhf feedback --config C ARGS`; what it prints is in out_.
  absl::Status Feedback(std::vector<std::string> args) {
    args.insert(args.end(), {"--config", config_path_});
    const auto flags = Flags::Parse(FlagsOf("feedback"), args);
    EXPECT_OK(flags);
    testing::internal::CaptureStdout();
    const absl::Status status = FeedbackVerb(*flags);
    out_ = testing::internal::GetCapturedStdout();
    return status;
  }

  const TempDir folder_;
  const std::string config_path_ = folder_ / "run.txtpb";
  std::string out_;
};

}  // namespace rlhf
