// What people say of workers at the desk.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "feedback/answer_desk.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

class AnswerDeskWorkersTest : public ::testing::Test {
 protected:
  AnswerDeskWorkersTest() {
    auto store =
        PreferenceStore::Open(dir_ / "comparisons.db", &clock_, &metrics_);
    EXPECT_OK(store);
    store_ = *std::move(store);
  }

  // With a task for ada and one for somebody else.
  std::unique_ptr<AnswerDesk> MakeDesk() {
    WorkerBook::Options options;
    options.pauses_path = dir_ / "pauses.json";
    options.words = *ReadPersonsWords(options.pauses_path);
    auto desk = std::make_unique<AnswerDesk>(
        TaskScheduler::Options(), store_.get(), &clock_, &metrics_,
        std::make_unique<WorkerBook>(options));
    desk->Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0),
               MakeTask(v1::Prompt(), {"c", 1}, {"d", 1}, 0)});
    return desk;
  }

  TempDir dir_;
  RealClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  std::unique_ptr<PreferenceStore> store_;
};

TEST_F(AnswerDeskWorkersTest, WhatAPersonSaidOutlivesTheProcess) {
  for (const bool paused : {true, false}) {
    ASSERT_OK(MakeDesk()->SetPaused("ada", paused, "rita", "lunch"));
    EXPECT_EQ(MakeDesk()->Lease("ada").ok(), !paused);
  }
  ASSERT_OK(MakeDesk()->SetPaused("ben", true, "rita", "lunch"));
  EXPECT_EQ(MakeDesk()->Workers().size(), 2u) << "both are spoken of";
}

TEST_F(AnswerDeskWorkersTest, KnownIsWhoAnsweredOrWasGivenATaskOrSpokenOf) {
  const auto desk = MakeDesk();
  EXPECT_FALSE(desk->Knows("ada"));
  ASSERT_OK_AND_ASSIGN(const Task task, desk->Lease("ada"));
  EXPECT_TRUE(desk->Knows("ada"));
  ASSERT_OK(desk->Submit({.task_id = task.task_id,
                          .comparison_id = "c1",
                          .worker_id = "ada",
                          .choice = ShownChoice::kTie,
                          .source = "page"}));
  EXPECT_TRUE(desk->Knows("ada"));
  ASSERT_OK(store_->Retract({.worker_id = "ada"}, "asked to", "grace"));
  EXPECT_TRUE(desk->Knows("ada")) << "whoever is retracted may go on";
  ASSERT_OK(desk->SetPaused("ben", true, "rita", ""));
  EXPECT_TRUE(desk->Knows("ben"));
  EXPECT_FALSE(desk->Knows("cyd"));
}

TEST_F(AnswerDeskWorkersTest, PauseThatCannotBeKeptHoldsAndItsEndDoesNot) {
  const auto desk = MakeDesk();
  ASSERT_OK(desk->Lease("ada"));
  // A folder stands where the file would.
  ASSERT_OK(MakeDirectories(dir_ / "pauses.json/in the way"));
  EXPECT_THAT(desk->SetPaused("ada", true, "rita", ""),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("paused until this service stops")));
  EXPECT_FALSE(desk->Lease("ada").ok());
  EXPECT_FALSE(desk->SetPaused("ada", false, "rita", "").ok());
  EXPECT_FALSE(desk->Lease("ada").ok());
}

// A pipe that nobody reads stands for a disk that does not answer.
TEST_F(AnswerDeskWorkersTest, NobodyWhoLeasesWaitsForTheFileOfAPause) {
  const auto desk = MakeDesk();
  ASSERT_OK(desk->Lease("ada"));
  const std::string pipe =
      absl::StrCat(dir_ / "pauses.json", ".tmp.", ::getpid());
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  auto pause = std::async(std::launch::async, [&] {
    return desk->SetPaused("ada", true, "rita", "");
  });
  auto lease = std::async(std::launch::async, [&] {
    while (desk->Lease("ada").ok()) {
    }
    return desk->Lease("ben").status();
  });
  const bool waits =
      lease.wait_for(std::chrono::seconds(10)) != std::future_status::ready;
  EXPECT_FALSE(waits);
  EXPECT_EQ(pause.wait_for(std::chrono::seconds(0)),
            std::future_status::timeout)
      << "the file is not written yet";
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  pause.wait();
  EXPECT_OK(lease.get());
  ::close(reader);
}

}  // namespace
}  // namespace rlhf
