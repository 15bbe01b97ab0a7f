#include "trainer/checkpoint/checkpoint_store.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

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

// Names of all files in a folder. Unlike ListDirectory it does not take a
// folder that cannot be read for an empty one: what a manifest leaves out is
// lost.
absl::StatusOr<std::vector<std::string>> FilesIn(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::end(entry);
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) return ErrnoStatus(error.value(), "list", directory);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status WriteManifest(const std::string& directory,
                           std::optional<double> metric) {
  Json files = Json::object();
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        FilesIn(directory));
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(directory, "/", name);
    RLHF_ASSIGN_OR_RETURN(const std::string sha, Sha256HexOfFile(path));
    std::error_code error;
    files[name] = {{"bytes", std::filesystem::file_size(path, error)},
                   {"sha256", sha}};
  }
  Json manifest = {{"files", files}};
  // JSON has no number that is not finite.
  if (metric.has_value() && std::isfinite(*metric)) {
    manifest["metric"] = *metric;
  }
  return WriteFileAtomically(absl::StrCat(directory, "/", kManifest),
                             manifest.dump(2) + "\n");
}

// Minus infinity if it has none, or is damaged.
double MetricOf(const std::string& directory) {
  const auto text = ReadFile(absl::StrCat(directory, "/", kManifest));
  if (text.ok()) {
    const auto manifest = ParseJson(*text);
    if (manifest.ok() && manifest->is_object() &&
        manifest->contains("metric") && manifest->at("metric").is_number()) {
      return manifest->at("metric").get<double>();
    }
  }
  return -std::numeric_limits<double>::infinity();
}

}  // namespace

CheckpointStore::CheckpointStore(std::string root, int num_kept,
                                 int num_best_kept)
    : root_(std::move(root)),
      num_kept_(num_kept),
      num_best_kept_(num_best_kept) {
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
    int64_t step, const std::function<absl::Status(const std::string&)>& fill,
    std::optional<double> metric) {
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
  RLHF_RETURN_IF_ERROR(WriteManifest(folder.temporary(), metric));
  RLHF_RETURN_IF_ERROR(folder.Commit());
  return RemoveOldOnes(step);
}

absl::Status CheckpointStore::RemoveOldOnes(int64_t step) {
  std::vector<int64_t> steps = Steps();
  // Newer ones are damaged, or this one would not have been made: they must not
  // push it out.
  std::erase_if(steps, [step](int64_t other) { return other > step; });
  if (steps.size() <= static_cast<size_t>(num_kept_)) return absl::OkStatus();
  std::vector<std::pair<double, int64_t>> best;
  if (num_best_kept_ > 0) {
    for (const int64_t other : steps) {
      const double metric = MetricOf(Directory(other));
      if (std::isfinite(metric)) best.emplace_back(metric, other);
    }
    // Of equal ones the newer.
    std::sort(best.rbegin(), best.rend());
    best.resize(std::min(best.size(), static_cast<size_t>(num_best_kept_)));
  }
  steps.resize(steps.size() - static_cast<size_t>(num_kept_));
  for (const int64_t old : steps) {
    const bool is_best = std::any_of(best.begin(), best.end(),
                                     [&](auto& b) { return b.second == old; });
    if (!is_best) RLHF_RETURN_IF_ERROR(RemoveAll(Directory(old)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Checkpoint>> CheckpointStore::Newest(
    int64_t last) const {
  std::vector<int64_t> steps = Steps();
  std::erase_if(steps, [last](int64_t step) { return step > last; });
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
      return Checkpoint{.step = step,
                        .directory = Directory(step),
                        .num_damaged = static_cast<int>(problems.size())};
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
    // A checkpoint has no folders, and nothing beyond its own is read.
    const absl::StatusOr<std::string> sha =
        absl::StrContains(name, '/')
            ? absl::InvalidArgumentError("not a name of a file")
            : Sha256HexOfFile(file);
    if (!sha.ok() || !entry.contains("sha256") || entry.at("sha256") != *sha) {
      return absl::DataLossError(
          absl::StrCat(file, ": missing or not what the manifest says"));
    }
  }
  return absl::OkStatus();
}

}  // namespace rlhf
