// A file of records, one a line, in which nothing can be taken out, changed or
// put in between without being seen: each holds its number, the SHA-256 of the
// line before it and an Ed25519 signature over itself. A crash leaves a record
// or none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/json.h"

namespace rlhf {

// Any number of readers at a time; one writer.
class SignedLog {
 public:
  // `key_path` is the file of the key that signs, made at the first record.
  SignedLog(std::string path, std::string key_path)
      : path_(std::move(path)), key_path_(std::move(key_path)) {}

  // The newest record, unproven but for "seq", which is its line's number;
  // nullopt if there is none. A last line that a crash cut short counts as not
  // written.
  //
  // Errors: InvalidArgument, naming file and line, if it is no such object.
  absl::StatusOr<std::optional<Json>> Last() const;

  // Every record, oldest first, each proven against the one before it and by
  // its signature.
  //
  // Errors: DataLoss, naming file and line.
  absl::StatusOr<std::vector<Json>> ReadAll() const;

  // Adds `record`, an object. Durable when it returns OK.
  //
  // Errors: as SigningKey::LoadOrCreate; those of the disk.
  absl::Status Append(Json record) const;

  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const std::string key_path_;
};

// Takes away what Append adds to a record.
void RemoveChain(Json& record);

}  // namespace rlhf
