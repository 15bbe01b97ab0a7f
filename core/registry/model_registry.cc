#include "core/registry/model_registry.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/signing_key.h"
#include "core/base/status_macros.h"
#include "core/registry/alias_rules.h"

namespace rlhf {
namespace {

constexpr char kCard[] = "card.json";

std::string FolderName(int64_t version) {
  return absl::StrFormat("%06d", version);
}

std::string PrettyJson(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<Json> ReadJsonFile(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  absl::StatusOr<Json> json = ParseJson(text);
  if (!json.ok()) return WithContext(json.status(), path);
  return json;
}

// Name, with the folders below the version, to SHA-256 of every file but the
// card.
using FileHashes = std::map<std::string, std::string>;

// Adds what is in `folder` ("" or "members/test/") of a version.
absl::Status AddHashes(const std::string& directory, const std::string& folder,
                       FileHashes& hashes) {
  for (const std::string& entry :
       ListDirectory(absl::StrCat(directory, "/", folder))) {
    const std::string name = folder + entry;
    const std::string path = absl::StrCat(directory, "/", name);
    if (name == kCard) continue;
    if (std::filesystem::is_directory(path)) {
      RLHF_RETURN_IF_ERROR(AddHashes(directory, name + "/", hashes));
    } else {
      RLHF_ASSIGN_OR_RETURN(hashes[name], Sha256HexOfFile(path));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<FileHashes> HashFiles(const std::string& directory) {
  FileHashes hashes;
  RLHF_RETURN_IF_ERROR(AddHashes(directory, "", hashes));
  return hashes;
}

std::string Digest(const FileHashes& hashes) {
  std::string lines;
  for (const auto& [name, hash] : hashes) {
    absl::StrAppend(&lines, name, " ", hash, "\n");
  }
  return Sha256Hex(lines);
}

// The files in which `found` differs from the card, for an error message.
std::string Differences(const Json& card, const FileHashes& found) {
  const auto it = card.find("files");
  if (it == card.end() || !it->is_object()) return "";
  std::vector<std::string> lines;
  for (const auto& [name, hash] : it->items()) {
    const auto file = found.find(name);
    if (file == found.end()) {
      lines.push_back(absl::StrCat(name, " is missing"));
    } else if (hash != Json(file->second)) {
      lines.push_back(
          absl::StrCat(name, " is not the file that was published"));
    }
  }
  for (const auto& [name, hash] : found) {
    if (!it->contains(name)) {
      lines.push_back(absl::StrCat(name, " was not published"));
    }
  }
  return absl::StrJoin(lines, ", ");
}

// Removes the unfinished folders that killed processes left of a version.
void RemoveLeftovers(const std::string& root, const std::string& version) {
  for (const std::string& name : ListDirectory(root)) {
    absl::string_view pid_text = name;
    pid_t pid = 0;
    if (absl::ConsumePrefix(&pid_text, absl::StrCat(version, ".tmp.")) &&
        absl::SimpleAtoi(pid_text, &pid) && ::kill(pid, 0) != 0 &&
        errno == ESRCH) {
      RemoveAll(absl::StrCat(root, "/", name)).IgnoreError();
    }
  }
}

}  // namespace

absl::StatusOr<std::string> DirectoryDigest(const std::string& directory) {
  RLHF_ASSIGN_OR_RETURN(const FileHashes hashes, HashFiles(directory));
  return Digest(hashes);
}

std::string ModelRegistry::Directory(int64_t version) const {
  return absl::StrCat(root_, "/", FolderName(version));
}

absl::StatusOr<v1::ModelVersion> ModelRegistry::Publish(
    int64_t version, Json card,
    const std::function<absl::Status(const std::string&)>& fill) const {
  RLHF_CHECK(version >= 1 && (card.is_object() || card.is_null()));
  RLHF_RETURN_IF_ERROR(MakeDirectories(root_));
  const std::string directory = Directory(version);
  RemoveLeftovers(root_, FolderName(version));
  RLHF_ASSIGN_OR_RETURN(AtomicDirectory folder,
                        AtomicDirectory::Create(directory));
  RLHF_RETURN_IF_ERROR(fill(folder.temporary()));
  RLHF_ASSIGN_OR_RETURN(const FileHashes hashes, HashFiles(folder.temporary()));
  v1::ModelVersion result;
  result.set_version(version);
  result.set_digest(Digest(hashes));
  card["version"] = version;
  card["digest"] = result.digest();
  card["files"] = hashes;
  RLHF_RETURN_IF_ERROR(WriteFileAtomically(
      absl::StrCat(folder.temporary(), "/", kCard), PrettyJson(card)));
  const absl::Status committed = folder.Commit();
  if (!committed.ok() && FileExists(directory)) {
    // Another process was faster; a rename does not replace a full folder.
    return absl::AlreadyExistsError(absl::StrCat(directory, " exists already"));
  }
  RLHF_RETURN_IF_ERROR(committed);
  return result;
}

absl::StatusOr<Json> ModelRegistry::Card(int64_t version) const {
  return ReadJsonFile(absl::StrCat(Directory(version), "/", kCard));
}

absl::StatusOr<v1::ModelVersion> ModelRegistry::Get(int64_t version) const {
  RLHF_ASSIGN_OR_RETURN(const Json card, Card(version));
  v1::ModelVersion result;
  result.set_version(version);
  absl::StatusOr<std::string> digest = GetString(card, "digest");
  if (!digest.ok()) {
    return WithContext(digest.status(),
                       absl::StrCat(Directory(version), "/", kCard));
  }
  result.set_digest(*std::move(digest));
  return result;
}

absl::Status ModelRegistry::Verify(int64_t version) const {
  const std::string directory = Directory(version);
  RLHF_ASSIGN_OR_RETURN(const Json card, Card(version));
  RLHF_ASSIGN_OR_RETURN(const v1::ModelVersion stated, Get(version));
  RLHF_ASSIGN_OR_RETURN(const FileHashes hashes, HashFiles(directory));
  if (Digest(hashes) == stated.digest()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      directory, ": its files have digest ", Digest(hashes), ", its card says ",
      stated.digest(), " (", Differences(card, hashes),
      "); the version is damaged, train or copy it anew"));
}

std::vector<int64_t> ModelRegistry::Versions() const {
  std::vector<int64_t> versions;
  for (const std::string& name : ListDirectory(root_)) {
    int64_t version = 0;
    // Temporary folders have a suffix and do not parse.
    if (absl::SimpleAtoi(name, &version)) versions.push_back(version);
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

int64_t ModelRegistry::Latest() const {
  const std::vector<int64_t> versions = Versions();
  return versions.empty() ? 0 : versions.back();
}

absl::StatusOr<std::optional<int64_t>> ModelRegistry::Alias(
    const std::string& alias) const {
  RLHF_ASSIGN_OR_RETURN(const Aliases aliases, CurrentAliases());
  return FindAlias(aliases, alias);
}

absl::StatusOr<Aliases> ModelRegistry::CurrentAliases() const {
  return TransitionLog(root_).Current();
}

absl::StatusOr<std::string> ModelRegistry::Secret(
    const std::string& purpose) const {
  RLHF_RETURN_IF_ERROR(MakeDirectories(root_));
  RLHF_ASSIGN_OR_RETURN(const SigningKey key,
                        SigningKey::LoadOrCreate(KeyPath(root_)));
  return key.Sign(absl::StrCat("secret for ", purpose));
}

absl::Status ModelRegistry::ChangeAliases(
    const TransitionCause& cause,
    const std::function<absl::Status(Aliases&)>& change) const {
  RLHF_RETURN_IF_ERROR(MakeDirectories(root_));
  const std::string lock_path = root_ + "/transitions.lock";
  const int fd = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "open", lock_path);
  const absl::Cleanup unlock = [fd] { ::close(fd); };
  if (::flock(fd, LOCK_EX) != 0) return ErrnoStatus(errno, "lock", lock_path);
  const TransitionLog log(root_);
  RLHF_ASSIGN_OR_RETURN(const Aliases before, log.Current());
  Aliases after = before;
  RLHF_RETURN_IF_ERROR(change(after));
  if (after == before) return absl::OkStatus();
  return log.Append(after, cause, absl::Now());
}

absl::Status ModelRegistry::SetAlias(const std::string& alias, int64_t version,
                                     const TransitionCause& cause) const {
  RLHF_RETURN_IF_ERROR(Get(version).status());
  return ChangeAliases(cause, [&](Aliases& aliases) {
    aliases[alias] = version;
    return absl::OkStatus();
  });
}

absl::Status ModelRegistry::ClearAlias(const std::string& alias,
                                       const TransitionCause& cause) const {
  return ChangeAliases(cause, [&](Aliases& aliases) {
    aliases.erase(alias);
    return absl::OkStatus();
  });
}

absl::Status ModelRegistry::Promote(int64_t version,
                                    std::optional<int64_t> expected_serving,
                                    const TransitionCause& cause) const {
  RLHF_RETURN_IF_ERROR(Get(version).status());
  return ChangeAliases(cause, [&](Aliases& aliases) {
    return PromoteIn(aliases, version, expected_serving);
  });
}

absl::StatusOr<int64_t> ModelRegistry::RollBack(
    const TransitionCause& cause) const {
  int64_t serves = 0;
  RLHF_RETURN_IF_ERROR(
      ChangeAliases(cause, [&](Aliases& aliases) -> absl::Status {
        const absl::StatusOr<int64_t> previous = RollBackIn(aliases);
        RLHF_RETURN_IF_ERROR(WithContext(previous.status(), root_));
        serves = *previous;
        return Get(serves).status();
      }));
  return serves;
}

absl::StatusOr<std::vector<Transition>> ModelRegistry::Transitions() const {
  return TransitionLog(root_).ReadAll();
}

}  // namespace rlhf
