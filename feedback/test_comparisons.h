// Comparisons for tests of the store.
#pragma once

#include <string>

#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

inline v1::Comparison MakeComparison(const std::string& id,
                                     v1::Choice choice = v1::A_BETTER) {
  v1::Comparison comparison;
  comparison.set_comparison_id(id);
  comparison.mutable_prompt()->set_prompt_id("0123456789abcdef");
  v1::Message* const message = comparison.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content("Hello?");
  comparison.set_response_a("yes");
  comparison.set_response_b("no");
  comparison.set_choice(choice);
  comparison.set_strength(choice == v1::A_BETTER ? 2 : 0);
  comparison.set_worker_id("ada");
  return comparison;
}

}  // namespace rlhf
