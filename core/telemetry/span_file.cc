#include "core/telemetry/span_file.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/base/write_all.h"
#include "core/config/run_config.h"

namespace rlhf {

SpanFile::SpanFile(std::string directory, std::string role, int64_t max_bytes)
    : directory_(std::move(directory)),
      role_(std::move(role)),
      max_bytes_(max_bytes) {}

void SpanFile::Add(const Span& span) {
  const std::string line = absl::StrCat(SpanLine(span, role_), "\n");
  MutexLock lock(&mutex_);
  const absl::Status status = Write(line);
  if (status.ok() || std::exchange(failed_, true)) return;
  RLHF_LOG(WARNING) << "spans are lost: " << status;
}

absl::Status SpanFile::Write(const std::string& line) {
  RLHF_RETURN_IF_ERROR(MakeDirectories(directory_));
  const std::string stem = absl::StrCat(directory_, "/", role_);
  const std::string path = absl::StrCat(stem, ".jsonl");
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (!error && static_cast<int64_t>(size) >= max_bytes_ &&
      std::rename(path.c_str(), absl::StrCat(stem, ".1.jsonl").c_str()) != 0) {
    return ErrnoStatus(errno, "rename", path);
  }
  return AppendWhole(path, line);
}

std::unique_ptr<SpanFile> OpenSpans(const v1::RunConfig& config,
                                    const std::string& role) {
  if (config.tracing().rollout_share() == 0) return nullptr;
  return std::make_unique<SpanFile>(
      absl::StrCat(RunDirectory(config), "/traces"), role);
}

}  // namespace rlhf
