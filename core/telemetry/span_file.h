// Where a process puts its spans.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/mutex.h"
#include "core/telemetry/span.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// A file of lines, `directory`/ROLE.jsonl, that several processes of one role
// may share. Once it holds `max_bytes` it becomes ROLE.1.jsonl, in place of the
// one before, so that there are never much more than twice as many.
// Thread-safe.
class SpanFile {
 public:
  SpanFile(std::string directory, std::string role,
           int64_t max_bytes = int64_t{32} << 20);

  // A span that cannot be written is lost; the log tells of the first.
  void Add(const Span& span);

 private:
  absl::Status Write(const std::string& line)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string directory_;
  const std::string role_;
  const int64_t max_bytes_;
  Mutex mutex_;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
};

// That of `role` in the run directory; null if `config` traces nothing.
std::unique_ptr<SpanFile> OpenSpans(const v1::RunConfig& config,
                                    const std::string& role);

}  // namespace rlhf
