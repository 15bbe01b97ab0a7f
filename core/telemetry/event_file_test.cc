#include "core/telemetry/event_file.h"

#include <sys/resource.h>

#include <csignal>

#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;
using v1::tensorboard::Event;
using v1::tensorboard::SessionLog;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'764'000'000);

// Checksums are looked at by tests/monitoring/event_files_test.py.
std::vector<Event> Read(const std::string& path) {
  const std::string bytes = *ReadFile(path);
  std::vector<Event> events;
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = static_cast<uint8_t>(bytes[at]) +
                        256 * static_cast<uint8_t>(bytes[at + 1]);
    EXPECT_TRUE(
        events.emplace_back().ParseFromString(bytes.substr(at + 12, size)));
    at += 12 + size + 4;
  }
  return events;
}

TEST(NextEventFileNameTest, SortsBehindEveryOtherWhateverTheClockSays) {
  EXPECT_EQ(NextEventFileName({}, 1'764'000'000, "host", 7),
            "events.out.tfevents.1764000000.host.7");
  EXPECT_EQ(NextEventFileName({"events.out.tfevents.1764000005.host.9", "notes",
                               "events.out.tfevents.x"},
                              1'764'000'000, "host", 7),
            "events.out.tfevents.1764000006.host.7");
}

TEST(EventFileTest, BeginsWithVersionAndTheStepThatItGoesOnFrom) {
  const TempDir dir;
  ASSERT_OK(EventFile::Create(dir / "a/b", 5, kNow).status());
  const std::vector<std::string> names = ListDirectory(dir / "a/b");
  ASSERT_THAT(names,
              ElementsAre(StartsWith("events.out.tfevents.1764000000.")));
  const std::vector<Event> events = Read(dir / "a/b/" + names[0]);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].file_version(), "brain.Event:2");
  EXPECT_EQ(events[0].wall_time(), 1'764'000'000);
  EXPECT_EQ(events[1].session_log().status(), SessionLog::START);
  EXPECT_EQ(events[1].step(), 5);
}

TEST(EventFileTest, AStepHasItsScalarsAndTexts) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(EventFile file, EventFile::Create(dir.path(), 1, kNow));
  v1::tensorboard::Summary summary;
  AddScalar("objective/kl", 0.5, summary);
  AddText("samples/first", "**hello**", summary);
  ASSERT_OK(file.Write(3, kNow, summary));
  const Event event = Read(dir / ListDirectory(dir.path())[0]).back();
  EXPECT_EQ(event.step(), 3);
  ASSERT_THAT(event.summary().value(), SizeIs(2));
  EXPECT_EQ(event.summary().value(0).tag(), "objective/kl");
  EXPECT_EQ(event.summary().value(0).simple_value(), 0.5f);
  const auto& text = event.summary().value(1);
  EXPECT_EQ(text.metadata().plugin_data().plugin_name(), "text");
  EXPECT_THAT(text.tensor().string_val(), ElementsAre("**hello**"));
}

TEST(EventFileTest, ASecondStartInTheSameSecondHasAFileOfItsOwn) {
  const TempDir dir;
  ASSERT_OK(EventFile::Create(dir.path(), 1, kNow).status());
  ASSERT_OK(EventFile::Create(dir.path(), 2, kNow).status());
  EXPECT_THAT(
      ListDirectory(dir.path()),
      ElementsAre(HasSubstr(".1764000000."), HasSubstr(".1764000001.")));
}

TEST(EventFileTest, AFullDiskLeavesNoHalfRecord) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(EventFile file, EventFile::Create(dir.path(), 1, kNow));
  const std::string path = dir / ListDirectory(dir.path())[0];
  const size_t before = ReadFile(path)->size();
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit limit = {.rlim_cur = before + 20,
                        .rlim_max = old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  v1::tensorboard::Summary summary;
  AddText("t", std::string(100, 'x'), summary);
  const absl::Status status = file.Write(1, kNow, summary);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               HasSubstr("events.out.tfevents")));
  EXPECT_EQ(ReadFile(path)->size(), before);
}

}  // namespace
}  // namespace rlhf
