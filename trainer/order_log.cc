#include "trainer/order_log.h"

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/proto_json.h"
#include "core/base/signing_key.h"
#include "core/base/status_macros.h"
#include "core/registry/transition_log.h"

namespace rlhf {
namespace {

// Else what the same key signs elsewhere could be taken for an order.
std::string Signed(const std::string& order) { return "rlhf order\n" + order; }

absl::StatusOr<v1::OrderRecord> RecordOf(Json json) {
  RemoveChain(json);
  v1::OrderRecord record;
  RLHF_RETURN_IF_ERROR(JsonToProto(DumpJson(json), &record));
  return record;
}

}  // namespace

OrderLog::OrderLog(const std::string& run_directory)
    : registry_(run_directory + "/registry/pm"),
      key_path_(KeyPath(registry_)),
      log_(OrderLogPath(run_directory), key_path_) {}

absl::StatusOr<std::vector<v1::OrderRecord>> OrderLog::ReadAll() const {
  RLHF_ASSIGN_OR_RETURN(const std::vector<Json> lines, log_.ReadAll());
  std::vector<v1::OrderRecord> records;
  for (const Json& line : lines) {
    absl::StatusOr<v1::OrderRecord> record = RecordOf(line);
    if (!record.ok()) {
      return absl::DataLossError(absl::StrCat(log_.path(), ":",
                                              records.size() + 1, ": ",
                                              record.status().message()));
    }
    records.push_back(*std::move(record));
  }
  return records;
}

absl::Status OrderLog::Append(const v1::OrderRecord& record) const {
  RLHF_RETURN_IF_ERROR(MakeDirectories(registry_));
  RLHF_ASSIGN_OR_RETURN(Json json, ParseJson(ProtoToJsonLine(record)));
  return log_.Append(std::move(json));
}

absl::StatusOr<v1::SignedOrder> OrderLog::Sign(const v1::Order& order) const {
  RLHF_RETURN_IF_ERROR(MakeDirectories(registry_));
  RLHF_ASSIGN_OR_RETURN(const SigningKey key,
                        SigningKey::LoadOrCreate(key_path_));
  v1::SignedOrder result;
  result.set_order(order.SerializeAsString());
  result.set_signature(key.Sign(Signed(result.order())));
  return result;
}

absl::StatusOr<v1::Order> OrderLog::Open(const v1::SignedOrder& order) const {
  RLHF_RETURN_IF_ERROR(MakeDirectories(registry_));
  RLHF_ASSIGN_OR_RETURN(const SigningKey key,
                        SigningKey::LoadOrCreate(key_path_));
  if (!VerifySignature(key.public_hex(), Signed(order.order()),
                       order.signature())) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the order is not signed with the run's key, ", key_path_,
        "; give it where that file can be read, as the run's owner"));
  }
  v1::Order opened;
  if (!opened.ParseFromString(order.order())) {
    return absl::InvalidArgumentError("the bytes are no Order");
  }
  return opened;
}

std::string OrderLogPath(const std::string& run_directory) {
  return run_directory + "/control.jsonl";
}

bool IsStopOrder(const std::string& line) {
  const absl::StatusOr<Json> json = ParseJson(line);
  if (!json.ok()) return false;
  const absl::StatusOr<v1::OrderRecord> record = RecordOf(*json);
  return record.ok() && record->order().action() == v1::Order::STOP;
}

}  // namespace rlhf
