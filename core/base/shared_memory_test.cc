#include "core/base/shared_memory.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

TEST(SharedMemoryTest, AnotherProcessSeesWhatWasWritten) {
  ASSERT_OK_AND_ASSIGN(SharedMemory memory, SharedMemory::Create(6));
  std::memcpy(memory.data(), "shared", 6);
  const std::string path = memory.path();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto mapped = SharedMemory::Map(path, 6);
    ::_exit(mapped.ok() && mapped->bytes() == "shared" ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(SharedMemoryTest, AMappingOutlivesItsCreator) {
  auto memory = SharedMemory::Create(3);
  ASSERT_OK(memory);
  std::memcpy(memory->data(), "abc", 3);
  ASSERT_OK_AND_ASSIGN(const SharedMemory mapped,
                       SharedMemory::Map(memory->path(), 3));
  const std::string path = memory->path();
  memory = SharedMemory::Create(0);
  EXPECT_EQ(mapped.bytes(), "abc");
}

TEST(SharedMemoryTest, RefusesWhatIsNotThere) {
  ASSERT_OK_AND_ASSIGN(const SharedMemory memory, SharedMemory::Create(3));
  EXPECT_THAT(SharedMemory::Map("/proc/1/fd/99999", 3), testing::Not(IsOk()));
  EXPECT_THAT(SharedMemory::Map(memory.path(), 4),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("not shared memory of")));
  // A file, which somebody could cut while it is mapped.
  EXPECT_THAT(SharedMemory::Map("/proc/self/exe", 3),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("not shared memory of")));
}

}  // namespace
}  // namespace rlhf
