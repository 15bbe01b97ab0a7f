// What the reward server's tests share: tiny preference models.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "reward_server/pm_slots.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {

inline v1::ModelVersion PmVersion(int64_t version) {
  v1::ModelVersion result;
  result.set_version(version);
  result.set_digest(absl::StrCat("digest", version));
  return result;
}

// The tiny PM of `seed`, loaded from a directory as version `version`.
inline std::shared_ptr<const LoadedPm> TinyPm(
    int64_t version, uint64_t seed, at::ScalarType dtype = at::kFloat) {
  const TempDir directory;
  const absl::Status written = WriteTinyPm(directory / "pm", seed);
  RLHF_CHECK(written.ok()) << written;
  auto pm = LoadPm(directory / "pm", PmVersion(version), dtype);
  RLHF_CHECK(pm.ok()) << pm.status();
  return *std::move(pm);
}

// The same, but it takes dialogues of so many tokens only.
inline std::shared_ptr<const LoadedPm> ShortTinyPm(int64_t version,
                                                   uint64_t seed,
                                                   int64_t max_tokens) {
  const TempDir directory;
  const std::string path = directory / "pm/config.json";
  RLHF_CHECK(WriteTinyPm(directory / "pm", seed).ok());
  Json config = *ParseJson(*ReadFile(path));
  config["max_position_embeddings"] = max_tokens;
  RLHF_CHECK(WriteFileAtomically(path, config.dump()).ok());
  auto pm = LoadPm(directory / "pm", PmVersion(version));
  RLHF_CHECK(pm.ok()) << pm.status();
  return *std::move(pm);
}

// One PM of two members, "helpful" and, three times as heavy, "harmless", with
// the weights of the tiny PMs of these seeds.
inline std::shared_ptr<const LoadedPm> TinyPmOfTwo(int64_t version,
                                                   uint64_t helpful,
                                                   uint64_t harmless) {
  const TempDir directory;
  const std::string root = directory / "pm";
  const std::string folder = "members/harmless";
  const PmMembers members = {.members = {{"helpful", "", "helpful", 1},
                                         {"harmless", folder, "harmless", 3}}};
  for (const absl::Status& status :
       {WriteTinyPm(root, helpful),
        WriteTinyPm(absl::StrCat(root, "/", folder), harmless),
        WriteFileAtomically(root + "/card.json",
                            DumpJson({{"pm_members", ToJson(members)}}))}) {
    RLHF_CHECK(status.ok()) << status;
  }
  auto pm = LoadPm(root, PmVersion(version));
  RLHF_CHECK(pm.ok()) << pm.status();
  return *std::move(pm);
}

inline v1::ScoredDialogue Dialogue(const std::string& question,
                                   const std::string& answer) {
  v1::ScoredDialogue dialogue;
  v1::Message& message = *dialogue.add_prompt();
  message.set_role("user");
  message.set_content(question);
  dialogue.set_response(answer);
  return dialogue;
}

// A dialogue of more tokens than the tiny PM takes (1024).
inline v1::ScoredDialogue LongDialogue() {
  std::string words;
  for (int i = 0; i < 1100; ++i) absl::StrAppend(&words, "word ");
  return Dialogue("q", words);
}

}  // namespace rlhf
