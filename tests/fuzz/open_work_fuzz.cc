// Work in hand, in files: feedback/open_work.h. The input is the name of a
// file, a line break and its contents.
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "feedback/open_work.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

// A name that stays in its folder.
std::string FileName(absl::string_view text) {
  std::string name;
  for (const char c : text.substr(0, 100)) {
    name += c == '/' || c == '\0' ? '_' : c;
  }
  return name.empty() || name == "." || name == ".." ? "task-" : name;
}

size_t NumFound(const OpenWork::Found& found) {
  return found.tasks.size() + found.turns.size();
}

RLHF_FUZZ_TARGET(open_work) {
  static const TempDir parent;
  const std::string folder = parent / "open_work";
  RLHF_CHECK(RemoveAll(folder).ok());
  RLHF_CHECK(MakeDirectories(folder).ok());
  const std::string name = FileName(TakePart("\n", input));
  WriteInput(absl::StrCat(folder, "/", name), input);

  OpenWork::Found found;
  auto work = OpenWork::Open(folder, found);
  RLHF_CHECK(work.ok()) << work.status();
  RLHF_CHECK(NumFound(found) == ListDirectory(folder).size());
  // What is written again stands where it stood.
  const OpenWork::Undone undone =
      work->Apply({.tasks = found.tasks, .turns = found.turns});
  RLHF_CHECK(undone.status.ok()) << undone.status;
  RLHF_CHECK(ListDirectory(parent.path()).size() == 1);
  OpenWork::Found again;
  RLHF_CHECK(OpenWork::Open(folder, again).ok());
  RLHF_CHECK(NumFound(again) == NumFound(found));

  const std::string worker =
      found.turns.empty() ? std::string("ada") : found.turns[0].worker_id();
  RLHF_CHECK(OpenWork::RemoveWorker(folder, worker).ok());
  OpenWork::Found left;
  RLHF_CHECK(OpenWork::Open(folder, left).ok());
  RLHF_CHECK(left.turns.empty());
}

}  // namespace
}  // namespace rlhf
