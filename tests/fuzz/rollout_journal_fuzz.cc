// The rollouts of a batch on disk: trainer/experience/rollout_journal.h. A
// record of the input is "N HASH BYTES" in the file's own form, or what follows
// a line "record", whose length and hash are then made right.
#include <cstring>

#include "absl/strings/match.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/temp_dir.h"
#include "trainer/experience/rollout_journal.h"

namespace rlhf {
namespace {

template <typename T>
void AppendNumber(T number, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

// `input` with frames around what wants them.
std::string JournalOf(absl::string_view input) {
  constexpr absl::string_view kRecord = "record\n";
  std::string journal(TakePart(kRecord, input));
  while (!input.empty()) {
    const absl::string_view body = TakePart(kRecord, input);
    AppendNumber(static_cast<uint32_t>(body.size()), journal);
    AppendNumber(Xxh3(body), journal);
    journal.append(body.data(), body.size());
  }
  return journal;
}

std::string Serialized(const JournalContents& contents) {
  std::string bytes = contents.header.SerializeAsString();
  for (const v1::Rollout& rollout : contents.rollouts) {
    bytes += rollout.SerializeAsString();
  }
  return bytes;
}

RLHF_FUZZ_TARGET(rollout_journal) {
  static const TempDir folder;
  const std::string path = folder / "000001.pb";
  WriteInput(path, JournalOf(input));
  const auto read = RolloutJournal::Read(path);
  CheckExplained(read.status(), {absl::StatusCode::kDataLoss});
  JournalContents opened;
  auto journal = RolloutJournal::Open(path, opened);
  RLHF_CHECK(journal.ok() == read.ok());
  if (!journal.ok()) return;
  RLHF_CHECK(Serialized(opened) == Serialized(*read));
  // It goes on where it ended, whatever was torn off.
  v1::Rollout rollout;
  rollout.set_rollout_id("000001/007");
  RLHF_CHECK(journal->Append({rollout}).ok());
  const auto longer = RolloutJournal::Read(path);
  RLHF_CHECK(longer.ok()) << longer.status();
  RLHF_CHECK(longer->rollouts.size() == read->rollouts.size() + 1);
  RLHF_CHECK(longer->rollouts.back().rollout_id() == "000001/007");
}

}  // namespace
}  // namespace rlhf
