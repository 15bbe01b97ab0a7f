#include "feedback/import_service.h"

#include <grpcpp/server_builder.h>

#include <memory>
#include <string>

#include "core/rpc/channel.h"
#include "feedback/batch_desk_fixtures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

// A real server and channel in one process; no port is opened.
class ImportServiceTest : public BatchDeskFixture {
 protected:
  ImportServiceTest() {
    service_ = std::make_unique<ImportService>(desk_.get(), nullptr);
    server_ =
        grpc::ServerBuilder().RegisterService(service_.get()).BuildAndStart();
    stub_ = v1::FeedbackImport::NewStub(server_->InProcessChannel({}));
  }

  // Sends `pieces` under `name`.
  grpc::Status Send(const std::vector<std::string>& pieces,
                    const std::string& name, bool dry_run = false) {
    const auto context = ContextWithDeadline(absl::Seconds(20));
    report_.Clear();
    const auto writer = stub_->Import(context.get(), &report_);
    for (size_t i = 0; i < pieces.size(); ++i) {
      v1::ImportPiece piece;
      if (i == 0) {
        piece.set_name(name);
        piece.set_dry_run(dry_run);
      }
      piece.set_text(pieces[i]);
      piece.set_last(i + 1 == pieces.size());
      writer->Write(piece);
    }
    writer->WritesDone();
    return writer->Finish();
  }

  std::unique_ptr<ImportService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::FeedbackImport::Stub> stub_;
  v1::BatchReport report_;
};

TEST_F(ImportServiceTest, PiecesMayEndAnywhere) {
  const std::string text = kPair;
  ASSERT_TRUE(Send({text.substr(0, 9), text.substr(9)}, "f.jsonl").ok());
  EXPECT_EQ(report_.verdict(), v1::BATCH_ACCEPTED);
  EXPECT_EQ(report_.accepted(), 1);
  EXPECT_EQ(report_.source(), "import:f.jsonl");
  EXPECT_EQ(stored(), 1);
}

TEST_F(ImportServiceTest, ADryRunWritesNothing) {
  ASSERT_TRUE(Send({kPair}, "f.jsonl", /*dry_run=*/true).ok());
  EXPECT_TRUE(report_.dry_run());
  EXPECT_EQ(stored(), 0);
}

TEST_F(ImportServiceTest, AFileHasAName) {
  const grpc::Status status = Send({kPair}, "");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("names no file"));
}

TEST_F(ImportServiceTest, HalfAFileIsNoBatch) {
  const auto context = ContextWithDeadline(absl::Seconds(20));
  const auto writer = stub_->Import(context.get(), &report_);
  v1::ImportPiece piece;
  piece.set_name("f.jsonl");
  piece.set_text(kPair);
  writer->Write(piece);
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("broke off"));
  EXPECT_EQ(stored(), 0);
}

TEST_F(ImportServiceTest, QuarantinedBatchesAreListedShownAndDecidedOn) {
  ASSERT_TRUE(Send({kMail}, "mail.jsonl").ok());
  EXPECT_EQ(report_.verdict(), v1::BATCH_QUARANTINED);
  const std::string id = report_.batch_id();

  v1::BatchList list;
  auto context = ContextWithDeadline(absl::Seconds(20));
  ASSERT_TRUE(stub_->ListBatches(context.get(), {}, &list).ok());
  ASSERT_EQ(list.batches_size(), 1);
  EXPECT_EQ(list.batches(0).batch_id(), id);

  v1::DecideBatchRequest decision;
  decision.set_batch_id(id);
  decision.set_release(true);
  context = ContextWithDeadline(absl::Seconds(20));
  EXPECT_EQ(stub_->DecideBatch(context.get(), decision, &report_).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  decision.set_by("ada");
  decision.set_reason("hers");
  context = ContextWithDeadline(absl::Seconds(20));
  ASSERT_TRUE(stub_->DecideBatch(context.get(), decision, &report_).ok());
  EXPECT_EQ(stored(), 1);

  v1::GetBatchRequest get;
  get.set_batch_id(id);
  context = ContextWithDeadline(absl::Seconds(20));
  ASSERT_TRUE(stub_->GetBatch(context.get(), get, &report_).ok());
  EXPECT_TRUE(report_.decision().released());
  get.set_batch_id("b-0");
  context = ContextWithDeadline(absl::Seconds(20));
  EXPECT_EQ(stub_->GetBatch(context.get(), get, &report_).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace rlhf
