// JSON as such (core/base/json.h), and as the messages that are read from it
// (core/base/proto_json.h): lines of logs, and what people hand in.
#include "core/base/check.h"
#include "core/base/json.h"
#include "core/base/proto_json.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/orders.pb.h"
#include "rlhf/v1/report.pb.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

template <typename T>
void ReadMessage(absl::string_view input) {
  T message;
  const absl::Status status = JsonToProto(input, &message);
  CheckExplained(status, {absl::StatusCode::kInvalidArgument});
  if (!status.ok()) return;
  T again;
  const std::string line = ProtoToJsonLine(message);
  RLHF_CHECK(line.find('\n') == line.npos);
  const absl::Status read = JsonToProto(line, &again);
  RLHF_CHECK(read.ok()) << read << " " << line;
  RLHF_CHECK(ProtoToJsonLine(again) == line);
}

RLHF_FUZZ_TARGET(proto_json) {
  const auto json = ParseJson(input);
  CheckExplained(json.status(), {absl::StatusCode::kInvalidArgument});
  if (json.ok()) {
    const std::string line = DumpJson(*json);
    const auto again = ParseJson(line);
    RLHF_CHECK(again.ok()) << again.status() << " " << line;
    RLHF_CHECK(DumpJson(*again) == line);
  }
  ReadMessage<v1::Comparison>(input);
  ReadMessage<v1::OrderRecord>(input);
  ReadMessage<v1::PmReport>(input);
  ReadMessage<v1::UpdateReport>(input);
}

}  // namespace
}  // namespace rlhf
