// Orders, for tests.
#pragma once

#include <string>

#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/orders.pb.h"

namespace rlhf {

inline v1::Order MakeOrder(int64_t seq, v1::Order::Action action) {
  v1::Order order;
  order.set_seq(seq);
  order.set_action(action);
  order.set_by("ann");
  order.set_reason("to see");
  return order;
}

inline v1::Order SetOrder(int64_t seq, const std::string& field, double value,
                          const std::string& revert_if = "") {
  v1::Order order = MakeOrder(seq, v1::Order::SET);
  order.set_field(field);
  order.set_value(value);
  order.set_revert_if(revert_if);
  return order;
}

inline v1::Order RevertOrder(int64_t seq, int64_t reverts) {
  v1::Order order = MakeOrder(seq, v1::Order::REVERT);
  order.set_reverts(reverts);
  return order;
}

// A run file with the least that one must have.
inline v1::RunConfig MakeRunConfig(const std::string& runs_dir = "runs") {
  v1::RunConfig config;
  config.set_name("run");
  config.set_runs_dir(runs_dir);
  config.set_initial_policy("model");
  config.set_prompts("prompts.jsonl");
  return config;
}

}  // namespace rlhf
