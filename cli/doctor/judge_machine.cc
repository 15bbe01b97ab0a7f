#include "cli/doctor/judge_machine.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/doctor/limits.h"
#include "cli/human_format.h"

namespace rlhf {
namespace {

Finding JudgeSpace(const DiskFigures& disk,
                   const std::optional<DiskNeeds>& needs) {
  Finding finding = {.subject = "disk space",
                     .found = absl::StrCat(HumanBytes(disk.free_bytes),
                                           " free in ", disk.path),
                     .figures = {{"free_bytes", disk.free_bytes}}};
  if (!needs.has_value()) return finding;
  const int64_t bytes = needs->checkpoint_bytes * needs->checkpoints;
  finding.figures["checkpoints_bytes"] = bytes;
  absl::StrAppend(&finding.found, "; ", needs->checkpoints,
                  " checkpoints of about ", HumanBytes(needs->checkpoint_bytes),
                  " need ", HumanBytes(bytes));
  const auto free = static_cast<double>(disk.free_bytes);
  if (free >= limits::kDiskRoom * static_cast<double>(bytes)) return finding;
  finding.level = disk.free_bytes < bytes ? Level::kFault : Level::kWarning;
  finding.advice =
      "make room, lower learner.checkpoints_kept, or set runs_dir to a larger "
      "disk";
  return finding;
}

Finding JudgeSync(const DiskFigures& disk) {
  Finding finding = {.subject = "disk sync",
                     .found = absl::StrFormat("fsync of a small file %.2f ms",
                                              disk.sync_s * 1e3),
                     .figures = {{"sync_seconds", disk.sync_s}}};
  if (disk.sync_s <= limits::kSyncWarningS) return finding;
  finding.level =
      disk.sync_s > limits::kSyncFaultS ? Level::kFault : Level::kWarning;
  finding.advice =
      "every comparison and batch waits for it: set runs_dir to a local disk, "
      "or see what else writes (`iostat -x 1`)";
  return finding;
}

Finding JudgeWriteRate(const DiskFigures& disk,
                       const std::optional<DiskNeeds>& needs) {
  Finding finding = {
      .subject = "disk write",
      .found = absl::StrFormat("%.0f MB/s with its sync",
                               disk.write_bytes_per_s / 1e6),
      .figures = {{"write_bytes_per_s", disk.write_bytes_per_s}}};
  if (!needs.has_value()) return finding;
  const double seconds =
      static_cast<double>(needs->checkpoint_bytes) / disk.write_bytes_per_s;
  finding.figures["checkpoint_seconds"] = seconds;
  absl::StrAppend(&finding.found,
                  absl::StrFormat(": a checkpoint takes %.2g s", seconds));
  if (seconds <= needs->grace_s) return finding;
  finding.level = Level::kWarning;
  finding.advice = absl::StrFormat(
      "longer than learner.preemption_grace_seconds, %g, so a stopped run "
      "would lose work: raise that, with the time limit of whoever stops it, "
      "or set runs_dir to a faster disk",
      needs->grace_s);
  return finding;
}

}  // namespace

Findings JudgeDisk(const absl::StatusOr<DiskFigures>& disk,
                   const std::optional<DiskNeeds>& needs) {
  if (!disk.ok()) {
    return {{.subject = "disk",
             .level = Level::kFault,
             .found = std::string(disk.status().message()),
             .advice = "make runs_dir a folder that this user may write to, on "
                       "a disk with room"}};
  }
  return {JudgeSpace(*disk, needs), JudgeSync(*disk),
          JudgeWriteRate(*disk, needs)};
}

Finding JudgeMemory(const MemoryFigures& memory, int64_t planned_bytes) {
  Finding finding = {
      .subject = "memory",
      .found = absl::StrCat(HumanBytes(memory.available_bytes), " of ",
                            HumanBytes(memory.total_bytes), " available"),
      .figures = {{"available_bytes", memory.available_bytes},
                  {"total_bytes", memory.total_bytes}}};
  if (planned_bytes == 0) return finding;
  finding.figures["planned_bytes"] = planned_bytes;
  absl::StrAppend(&finding.found, "; the learner plans ",
                  HumanBytes(planned_bytes));
  const auto share = static_cast<double>(planned_bytes) /
                     static_cast<double>(memory.available_bytes);
  if (share <= limits::kMemoryShare) return finding;
  finding.level = share > 1 ? Level::kFault : Level::kWarning;
  finding.advice =
      "the other roles hold a model each besides: lower "
      "learner.micro_batch_tokens or learner.num_ranks, set "
      "learner.recompute_activations or learner.sharding (`rlhf plan` tells "
      "what each takes), or end other programs";
  return finding;
}

Finding JudgeSharedMemory(std::optional<int64_t> free_bytes, bool uses_nccl) {
  Finding finding = {
      .subject = "shared memory",
      .found = free_bytes.has_value()
                   ? HumanBytes(*free_bytes) + " free in /dev/shm"
                   : std::string("there is no /dev/shm")};
  finding.figures = {{"free_bytes", free_bytes.value_or(0)}};
  if (!uses_nccl || free_bytes.value_or(0) >= limits::kNcclSharedMemory) {
    return finding;
  }
  finding.level = Level::kWarning;
  finding.advice =
      "NCCL wants room there for ranks on one machine: give the container more "
      "(--shm-size=1g, or in Kubernetes an emptyDir with medium: Memory)";
  return finding;
}

Finding JudgeOpenFiles(int64_t soft_limit) {
  Finding finding = {.subject = "open files",
                     .found = absl::StrCat("limit ", soft_limit),
                     .figures = {{"limit", soft_limit}}};
  if (soft_limit >= limits::kOpenFilesWarning) return finding;
  finding.level =
      soft_limit < limits::kOpenFilesFault ? Level::kFault : Level::kWarning;
  finding.advice =
      absl::StrCat("`ulimit -n ", limits::kOpenFilesWarning,
                   "` or more before the start (LimitNOFILE in a unit)");
  return finding;
}

Finding JudgeProcessor(const ProcessorFigures& processor, int threads) {
  const double cores = processor.quota > 0
                           ? std::min<double>(processor.cores, processor.quota)
                           : processor.cores;
  Finding finding = {
      .subject = "processor",
      .found = absl::StrFormat(
          "%d cores%s, threads %d; matrix products %.1f GFLOP/s",
          processor.cores,
          processor.quota > 0
              ? absl::StrFormat(" with the time of %.3g", processor.quota)
              : std::string(),
          threads, processor.gemm_flops_per_s / 1e9),
      .figures = {{"cores", processor.cores},
                  {"quota_cores", processor.quota},
                  {"threads", threads},
                  {"gemm_flops_per_s", processor.gemm_flops_per_s}}};
  if (threads > cores) {
    finding.level = Level::kWarning;
    finding.advice = absl::StrFormat(
        "more threads than cores wait for one another: set threads to %d",
        std::max(1, static_cast<int>(cores)));
  } else if (processor.gemm_flops_per_s < limits::kGemmWarningFlops) {
    finding.level = Level::kWarning;
    finding.advice =
        "far below what a core can do: see who else computes (`top`), and "
        "whether the machine is held back (cpu.max, its clock)";
  }
  return finding;
}

Finding JudgeCertificate(const std::string& role, const absl::Status& check,
                         absl::Duration left) {
  Finding finding = {.subject = absl::StrCat("certificate ", role)};
  const std::string renew =
      "deploy/make-certificates.sh makes new ones (docs/security.md)";
  if (!check.ok()) {
    finding.level = Level::kFault;
    finding.found = std::string(check.message());
    finding.advice = renew;
    return finding;
  }
  const double days = absl::ToDoubleHours(left) / 24;
  finding.found = absl::StrFormat("good for %.1f days", days);
  finding.figures = {{"days", days}};
  if (days < limits::kCertificateWarningDays) {
    finding.level = Level::kWarning;
    finding.advice = renew;
  }
  return finding;
}

}  // namespace rlhf
