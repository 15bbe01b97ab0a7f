#include "core/base/log.h"

#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "core/base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

TEST(LogTest, ALineHasTimeSeverityRolePlaceAndMessage) {
  SetLogRole("learner");
  CaptureStderr();
  RLHF_LOG(WARNING) << "update " << 3;
  const std::string line = GetCapturedStderr();
  SetLogRole("rlhf");

  EXPECT_THAT(line, testing::MatchesRegex(
                        "[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+Z W "
                        "learner base/log_test\\.cc:[0-9]+\\] update 3\n"));
}

TEST(LogTest, TheSeverityIsALetter) {
  CaptureStderr();
  RLHF_LOG(INFO) << "one";
  RLHF_LOG(ERROR) << "two";
  const std::string lines = GetCapturedStderr();

  EXPECT_THAT(lines, HasSubstr("Z I rlhf "));
  EXPECT_THAT(lines, HasSubstr("Z E rlhf "));
}

TEST(LogTest, AMessageCannotForgeASecondLine) {
  CaptureStderr();
  RLHF_LOG(INFO) << "from a client: x\n2026 E learner] all is lost\r";
  const std::string lines = GetCapturedStderr();

  EXPECT_THAT(lines, HasSubstr("x\\n2026 E learner] all is lost\\r\n"));
}

// Stderr as a pipe that somebody reads, which is what a supervisor makes it.
class StderrPipe {
 public:
  StderrPipe() : stderr_(::dup(STDERR_FILENO)) {
    int fds[2];
    RLHF_CHECK(::pipe(fds) == 0);
    RLHF_CHECK(::dup2(fds[1], STDERR_FILENO) == STDERR_FILENO);
    ::close(fds[1]);
    reader_ = std::thread([this, fd = fds[0]] {
      char buffer[4096];
      ssize_t got;
      while ((got = ::read(fd, buffer, sizeof(buffer))) > 0) {
        text_.append(buffer, static_cast<size_t>(got));
      }
      ::close(fd);
    });
  }
  // Gives stderr back and returns what was written.
  std::string Finish() {
    ::dup2(stderr_, STDERR_FILENO);
    ::close(stderr_);
    reader_.join();
    return text_;
  }

 private:
  const int stderr_;
  std::string text_;
  std::thread reader_;
};

// Longer than a pipe takes in one piece.
std::string LongMessage(int thread) {
  return std::string(100'000, static_cast<char>('a' + thread)) + "|";
}

TEST(LogTest, LongLinesOfSeveralThreadsStayWholeInAPipe) {
  StderrPipe pipe;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([thread] {
      for (int i = 0; i < 20; ++i) RLHF_LOG(INFO) << LongMessage(thread);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> lines = absl::StrSplit(pipe.Finish(), '\n');

  ASSERT_EQ(lines.size(), 81u);  // the last one is empty
  for (size_t i = 0; i < 80; ++i) {
    const std::string message = lines[i].substr(lines[i].find("] ") + 2);
    ASSERT_TRUE(message == LongMessage(message[0] - 'a')) << "line " << i;
  }
}

}  // namespace
}  // namespace rlhf
