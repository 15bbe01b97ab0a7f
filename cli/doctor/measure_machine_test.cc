#include "cli/doctor/measure_machine.h"

#include <signal.h>
#include <sys/resource.h>

#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(MeasureDiskTest, MeasuresWhereTheRunsWillBeAndLeavesNothing) {
  const TempDir folder;
  ASSERT_OK_AND_ASSIGN(const DiskFigures disk,
                       MeasureDisk(folder / "not/there/yet"));
  EXPECT_EQ(disk.path, folder.path());
  EXPECT_GT(disk.free_bytes, 0);
  EXPECT_GT(disk.sync_s, 0);
  EXPECT_GT(disk.write_bytes_per_s, 0);
  EXPECT_THAT(ListDirectory(folder.path()), IsEmpty());
}

TEST(MeasureDiskTest, AWriteThatFailsNamesTheFolder) {
  const TempDir folder;
  rlimit old_limit = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit limit = old_limit;
  limit.rlim_cur = 1 << 20;
  ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto disk = MeasureDisk(folder.path());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  ASSERT_FALSE(disk.ok());
  EXPECT_THAT(std::string(disk.status().message()), HasSubstr(folder.path()));
  EXPECT_THAT(ListDirectory(folder.path()), IsEmpty());
}

TEST(MeasureMachineTest, FindsWhatEveryMachineHas) {
  const MemoryFigures memory = MeasureMemory();
  EXPECT_GT(memory.available_bytes, 0);
  EXPECT_GE(memory.total_bytes, memory.available_bytes);
  EXPECT_GT(OpenFileLimit(), 0);
  const ProcessorFigures processor = MeasureProcessor(at::kFloat);
  EXPECT_GT(processor.cores, 0);
  EXPECT_GT(processor.gemm_flops_per_s, 0);
}

}  // namespace
}  // namespace rlhf
