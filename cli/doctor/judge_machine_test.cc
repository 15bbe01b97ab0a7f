#include "cli/doctor/judge_machine.h"

#include "cli/doctor/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using limits::kGiB;
using limits::kMiB;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const DiskFigures kGoodDisk = {.path = "runs",
                               .free_bytes = 100 * kGiB,
                               .sync_s = 0.001,
                               .write_bytes_per_s = 200e6};
constexpr DiskNeeds kNeeds = {
    .checkpoint_bytes = kGiB, .checkpoints = 3, .grace_s = 25};

// Space, sync and write rate of kGoodDisk with some figures changed.
struct DiskCase {
  int64_t free_bytes = 100 * kGiB;
  double sync_s = 0.001;
  double write_bytes_per_s = 200e6;
};
std::vector<Level> DiskLevels(const DiskCase& c) {
  const Findings findings =
      JudgeDisk(DiskFigures{.path = "runs",
                            .free_bytes = c.free_bytes,
                            .sync_s = c.sync_s,
                            .write_bytes_per_s = c.write_bytes_per_s},
                kNeeds);
  std::vector<Level> levels;
  for (const Finding& f : findings) {
    levels.push_back(f.level);
    EXPECT_EQ(f.advice.empty(), f.level == Level::kOk) << f.subject;
  }
  return levels;
}

TEST(JudgeDiskTest, TheTableOfItsLimits) {
  constexpr Level kOk = Level::kOk, kWarning = Level::kWarning,
                  kFault = Level::kFault;
  using Levels = std::vector<Level>;
  EXPECT_EQ(DiskLevels({}), (Levels{kOk, kOk, kOk}));
  EXPECT_EQ(DiskLevels({.free_bytes = 6 * kGiB}), (Levels{kOk, kOk, kOk}));
  EXPECT_EQ(DiskLevels({.free_bytes = 5 * kGiB}), (Levels{kWarning, kOk, kOk}));
  EXPECT_EQ(DiskLevels({.free_bytes = 2 * kGiB}), (Levels{kFault, kOk, kOk}));
  EXPECT_EQ(DiskLevels({.sync_s = 0.06}), (Levels{kOk, kWarning, kOk}));
  EXPECT_EQ(DiskLevels({.sync_s = 1.1}), (Levels{kOk, kFault, kOk}));
  // 1 GiB in 25 s are 43 MB/s.
  EXPECT_EQ(DiskLevels({.write_bytes_per_s = 44e6}), (Levels{kOk, kOk, kOk}));
  EXPECT_EQ(DiskLevels({.write_bytes_per_s = 42e6}),
            (Levels{kOk, kOk, kWarning}));
}

TEST(JudgeDiskTest, SaysWhatIsFreeAndWhatIsNeeded) {
  const Findings findings = JudgeDisk(kGoodDisk, kNeeds);
  ASSERT_THAT(findings, SizeIs(3));
  EXPECT_THAT(
      findings[0].found,
      AllOf(HasSubstr("100.00 GiB free"),
            HasSubstr("3 checkpoints of about 1.00 GiB need 3.00 GiB")));
  EXPECT_THAT(findings[1].found, HasSubstr("1.00 ms"));
  EXPECT_THAT(findings[2].found, HasSubstr("200 MB/s"));
}

TEST(JudgeDiskTest, WithoutAModelItOnlyTellsFigures) {
  for (const Finding& f : JudgeDisk(kGoodDisk, std::nullopt)) {
    EXPECT_EQ(f.level, Level::kOk);
  }
}

TEST(JudgeDiskTest, ADiskThatCannotBeWrittenIsAFault) {
  const Findings findings =
      JudgeDisk(absl::PermissionDeniedError("cannot write to /x"), kNeeds);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].level, Level::kFault);
  EXPECT_EQ(findings[0].found, "cannot write to /x");
}

TEST(JudgeMemoryTest, TheTableOfItsLimits) {
  const MemoryFigures memory = {.available_bytes = 10 * kGiB,
                                .total_bytes = 16 * kGiB};
  EXPECT_EQ(JudgeMemory(memory, 0).level, Level::kOk);
  EXPECT_EQ(JudgeMemory(memory, 7 * kGiB).level, Level::kOk);
  EXPECT_EQ(JudgeMemory(memory, 8 * kGiB).level, Level::kWarning);
  EXPECT_EQ(JudgeMemory(memory, 11 * kGiB).level, Level::kFault);
  EXPECT_THAT(JudgeMemory(memory, 11 * kGiB).found,
              HasSubstr("10.00 GiB of 16.00 GiB available; the learner plans "
                        "11.00 GiB"));
}

TEST(JudgeSharedMemoryTest, OnlyNcclWantsIt) {
  EXPECT_EQ(JudgeSharedMemory(64 * kMiB, false).level, Level::kOk);
  EXPECT_EQ(JudgeSharedMemory(64 * kMiB, true).level, Level::kWarning);
  EXPECT_EQ(JudgeSharedMemory(kGiB, true).level, Level::kOk);
  EXPECT_EQ(JudgeSharedMemory(std::nullopt, false).level, Level::kOk);
  EXPECT_EQ(JudgeSharedMemory(std::nullopt, true).level, Level::kWarning);
}

TEST(JudgeOpenFilesTest, TheTableOfItsLimits) {
  EXPECT_EQ(JudgeOpenFiles(1024).level, Level::kOk);
  EXPECT_EQ(JudgeOpenFiles(1023).level, Level::kWarning);
  EXPECT_EQ(JudgeOpenFiles(255).level, Level::kFault);
}

TEST(JudgeProcessorTest, MoreThreadsThanCoresOrTheirTimeIsAWarning) {
  const ProcessorFigures two = {.cores = 2, .gemm_flops_per_s = 120e9};
  EXPECT_EQ(JudgeProcessor(two, 2).level, Level::kOk);
  EXPECT_EQ(JudgeProcessor(two, 3).level, Level::kWarning);
  const ProcessorFigures held = {
      .cores = 8, .quota = 1.5, .gemm_flops_per_s = 120e9};
  EXPECT_EQ(JudgeProcessor(held, 1).level, Level::kOk);
  EXPECT_THAT(JudgeProcessor(held, 2).advice, HasSubstr("set threads to 1"));
  EXPECT_THAT(JudgeProcessor(held, 2).found,
              HasSubstr("8 cores with the time of 1.5"));
}

TEST(JudgeProcessorTest, SlowMatrixProductsAreAWarning) {
  EXPECT_EQ(JudgeProcessor({.cores = 2, .gemm_flops_per_s = 9e9}, 2).level,
            Level::kWarning);
}

TEST(JudgeCertificateTest, TheTableOfItsLimits) {
  const auto left = [](double days) {
    return JudgeCertificate("actor", absl::OkStatus(), absl::Hours(24 * days));
  };
  EXPECT_EQ(left(80).level, Level::kOk);
  EXPECT_THAT(left(80).found, HasSubstr("80.0 days"));
  EXPECT_THAT(left(80).advice, IsEmpty());
  EXPECT_EQ(left(6).level, Level::kWarning);
  const Finding refused = JudgeCertificate(
      "actor", absl::InvalidArgumentError("would be refused"), absl::Hours(99));
  EXPECT_EQ(refused.level, Level::kFault);
  EXPECT_EQ(refused.found, "would be refused");
  EXPECT_THAT(refused.advice, HasSubstr("make-certificates.sh"));
}

}  // namespace
}  // namespace rlhf
