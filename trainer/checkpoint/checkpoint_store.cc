#include "trainer/checkpoint/checkpoint_store.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr char kManifest[] = "manifest.json";

absl::Status WriteManifest(const std::string& directory) {
  Json files = Json::object();
  for (const std::string& name : ListDirectory(directory)) {
    const std::string path = absl::StrCat(directory, "/", name);
    RLHF_ASSIGN_OR_RETURN(const std::string sha, Sha256HexOfFile(path));
    std::error_code error;
    files[name] = {{"bytes", std::filesystem::file_size(path, error)},
                   {"sha256", sha}};
  }
  return WriteFileAtomically(absl::StrCat(directory, "/", kManifest),
                             Json{{"files", files}}.dump(2) + "\n");
}

}  // namespace

CheckpointStore::CheckpointStore(std::string root, int num_kept)
    : root_(std::move(root)), num_kept_(num_kept) {
  RLHF_CHECK(num_kept >= 1);
}

std::string CheckpointStore::Directory(int64_t step) const {
  return absl::StrFormat("%s/%06d", root_, step);
}

std::vector<int64_t> CheckpointStore::Steps() const {
  std::vector<int64_t> steps;
  for (const std::string& name : ListDirectory(root_)) {
    int64_t step = 0;
    // Temporary folders have a suffix and do not parse.
    if (absl::SimpleAtoi(name, &step)) steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

absl::Status CheckpointStore::Save(
    int64_t step, const std::function<absl::Status(const std::string&)>& fill) {
  RLHF_RETURN_IF_ERROR(MakeDirectories(root_));
  // What a crash left half-written would otherwise stay for ever.
  for (const std::string& name : ListDirectory(root_)) {
    if (absl::StrContains(name, ".tmp.")) {
      RLHF_RETURN_IF_ERROR(RemoveAll(absl::StrCat(root_, "/", name)));
    }
  }
  const std::string path = Directory(step);
  if (FileExists(path)) {
    if (VerifyCheckpoint(path).ok()) return absl::OkStatus();
    RLHF_RETURN_IF_ERROR(RemoveAll(path));
  }
  RLHF_ASSIGN_OR_RETURN(AtomicDirectory folder, AtomicDirectory::Create(path));
  RLHF_RETURN_IF_ERROR(fill(folder.temporary()));
  RLHF_RETURN_IF_ERROR(WriteManifest(folder.temporary()));
  RLHF_RETURN_IF_ERROR(folder.Commit());
  return RemoveOldOnes(step);
}

absl::Status CheckpointStore::RemoveOldOnes(int64_t step) {
  std::vector<int64_t> steps = Steps();
  // Newer ones are damaged, or this one would not have been made: they must not
  // push it out.
  std::erase_if(steps, [step](int64_t other) { return other > step; });
  for (size_t i = 0; i + static_cast<size_t>(num_kept_) < steps.size(); ++i) {
    RLHF_RETURN_IF_ERROR(RemoveAll(Directory(steps[i])));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Checkpoint>> CheckpointStore::Newest() const {
  std::vector<int64_t> steps = Steps();
  std::reverse(steps.begin(), steps.end());
  return FirstIntact(steps);
}

absl::StatusOr<std::optional<Checkpoint>> CheckpointStore::Oldest() const {
  return FirstIntact(Steps());
}

absl::StatusOr<std::optional<Checkpoint>> CheckpointStore::FirstIntact(
    const std::vector<int64_t>& steps) const {
  std::vector<std::string> problems;
  for (const int64_t step : steps) {
    const absl::Status status = VerifyCheckpoint(Directory(step));
    if (status.ok()) {
      return Checkpoint{.step = step, .directory = Directory(step)};
    }
    RLHF_LOG(WARNING) << "checkpoint passed over: " << status.message();
    problems.push_back(std::string(status.message()));
  }
  if (problems.empty()) return std::optional<Checkpoint>();
  return absl::DataLossError(absl::StrCat(
      "every checkpoint in ", root_,
      " is damaged: ", absl::StrJoin(problems, "; "),
      "; restore one, or move the folder away to start from zero"));
}

absl::Status VerifyCheckpoint(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kManifest);
  const absl::StatusOr<std::string> text = ReadFile(path);
  const absl::StatusOr<Json> manifest =
      text.ok() ? ParseJson(*text) : absl::StatusOr<Json>(text.status());
  if (!manifest.ok() || !manifest->contains("files") ||
      !manifest->at("files").is_object() || manifest->at("files").empty()) {
    return absl::DataLossError(absl::StrCat(path, ": missing or unreadable"));
  }
  for (const auto& [name, entry] : manifest->at("files").items()) {
    const std::string file = absl::StrCat(directory, "/", name);
    const absl::StatusOr<std::string> sha = Sha256HexOfFile(file);
    if (!sha.ok() || !entry.contains("sha256") || entry.at("sha256") != *sha) {
      return absl::DataLossError(
          absl::StrCat(file, ": missing or not what the manifest says"));
    }
  }
  return absl::OkStatus();
}

}  // namespace rlhf
