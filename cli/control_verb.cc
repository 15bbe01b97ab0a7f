// control: orders to a running learner, and the record of them.
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/config_flag.h"
#include "cli/order_text.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "core/base/proto_json.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/permissions.h"
#include "core/rpc/retry.h"
#include "core/rpc/rpc_identity.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "trainer/order_log.h"

namespace rlhf {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(5);
// A learner that was killed is there again by then, or somebody should look.
constexpr absl::Duration kRetryTime = absl::Seconds(20);

absl::Status List(const OrderLog& log, bool json) {
  RLHF_ASSIGN_OR_RETURN(const std::vector<v1::OrderRecord> records,
                        log.ReadAll());
  if (records.empty() && !json) std::cout << "no order yet\n";
  for (const v1::OrderRecord& record : records) {
    if (json) {
      std::cout << ProtoToJsonLine(record) << "\n";
      continue;
    }
    std::cout << absl::StrFormat(
        "%4d  %s  %-10s %s: %s\n", record.order().seq(), record.time(),
        record.order().by(), EffectText(record), record.order().reason());
  }
  return absl::OkStatus();
}

absl::Status ParseSet(const std::string& assignment, v1::Order& order) {
  const size_t equals = assignment.find('=');
  double value = 0;
  if (equals == std::string::npos ||
      !absl::SimpleAtod(assignment.substr(equals + 1), &value)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", assignment,
                     "\": wanted FIELD=NUMBER, such as "
                     "ppo.kl_coefficient=0.02"));
  }
  order.set_action(v1::Order::SET);
  order.set_field(assignment.substr(0, equals));
  order.set_value(value);
  return absl::OkStatus();
}

absl::Status ParseRevert(const std::string& word, v1::Order& order) {
  int64_t seq = 0;
  if (!absl::SimpleAtoi(word, &seq)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", word,
                     "\" is no order; wanted its number, as control list "
                     "shows it"));
  }
  order.set_action(v1::Order::REVERT);
  order.set_reverts(seq);
  return absl::OkStatus();
}

// What `words` order.
absl::Status ParseWords(const std::vector<std::string>& words,
                        v1::Order& order) {
  if (words.size() == 2 && words[0] == "set") return ParseSet(words[1], order);
  if (words.size() == 2 && words[0] == "revert") {
    return ParseRevert(words[1], order);
  }
  v1::Order::Action action = v1::Order::ACTION_UNSPECIFIED;
  if (words.size() == 1 && words[0] != "set" && words[0] != "revert" &&
      v1::Order::Action_Parse(absl::AsciiStrToUpper(words[0]), &action) &&
      action != v1::Order::ACTION_UNSPECIFIED) {
    order.set_action(action);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "wanted: pause, resume, checkpoint, stop, set FIELD=VALUE, revert N, or "
      "list");
}

// The order that the command line gives, without number.
absl::StatusOr<v1::Order> ParseOrder(const Flags& flags) {
  v1::Order order;
  RLHF_RETURN_IF_ERROR(ParseWords(flags.positional(), order));
  order.set_by(flags.String("by"));
  order.set_reason(flags.String("reason"));
  order.set_revert_if(flags.String("revert-if"));
  if (order.by().empty() || order.reason().empty()) {
    return absl::InvalidArgumentError(
        "--by NAME and --reason TEXT are needed: the record keeps who ordered "
        "it, and why");
  }
  if (!order.revert_if().empty() && order.action() != v1::Order::SET) {
    return absl::InvalidArgumentError("--revert-if goes with set alone");
  }
  return order;
}

// Sends the order until there is an answer: the learner takes it once, however
// often it comes.
absl::StatusOr<v1::OrderRecord> Give(const v1::RunConfig& config,
                                     const v1::SignedOrder& order) {
  RLHF_ASSIGN_OR_RETURN(const RpcIdentity self,
                        RpcIdentity::Load(config, kOperatorRole));
  const auto stub = v1::Control::NewStub(
      MakeChannel(config.learner().address(), self, "learner"));
  auto record =
      RetryTransient(kRetryTime, [&]() -> absl::StatusOr<v1::OrderRecord> {
        v1::OrderRecord answer;
        const auto context = ContextWithDeadline(kCallTimeout);
        RLHF_RETURN_IF_ERROR(FromGrpcStatus(
            stub->GiveOrder(context.get(), order, &answer), *context));
        return answer;
      });
  if (record.ok() || !IsTransient(record.status())) return record;
  return absl::UnavailableError(absl::StrCat(
      "no answer from the learner at ", config.learner().address(), " (",
      record.status().message(),
      "); only a running learner takes orders. Look with control list whether "
      "it has this one"));
}

}  // namespace

absl::Status ControlVerb(const Flags& flags) {
  const bool list = flags.positional() == std::vector<std::string>{"list"};
  v1::Order order;
  if (!list) {
    RLHF_ASSIGN_OR_RETURN(order, ParseOrder(flags));
  }
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromFlag(flags));
  const std::string run_directory = RunDirectory(config);
  if (!FileExists(run_directory)) {
    return absl::NotFoundError(absl::StrCat(run_directory, ": no run there"));
  }
  const OrderLog log(run_directory);
  if (list) return List(log, flags.Bool("json"));
  RLHF_ASSIGN_OR_RETURN(const std::vector<v1::OrderRecord> taken,
                        log.ReadAll());
  order.set_seq(static_cast<int64_t>(taken.size()) + 1);
  RLHF_ASSIGN_OR_RETURN(const v1::SignedOrder signed_order, log.Sign(order));
  RLHF_ASSIGN_OR_RETURN(const v1::OrderRecord record,
                        Give(config, signed_order));
  std::cout << (flags.Bool("json")
                    ? ProtoToJsonLine(record)
                    : absl::StrCat("order ", record.order().seq(), ": ",
                                   EffectText(record)))
            << "\n";
  return absl::OkStatus();
}

}  // namespace rlhf
