// The fields of a run file that an order may change while the run goes on.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/orders.pb.h"

namespace rlhf {

inline constexpr char kKlField[] = "ppo.kl_coefficient";

// What `field` is in `config`.
//
// Errors: InvalidArgument if it is unknown, with the nearest name, or fixed
// for a run.
absl::StatusOr<double> LiveValue(const v1::RunConfig& config,
                                 const std::string& field);

// Whether `config` would still be one with it, by the checks that every run
// file passes (CheckRunConfig). Errors: as LiveValue; InvalidArgument that
// says what was wanted.
absl::Status CheckLiveValue(const v1::RunConfig& config,
                            const std::string& field, double value);

// Notes that order `seq` makes it `value`. Dies unless CheckLiveValue passes
// the field.
void PutLiveValue(const std::string& field, double value, int64_t seq,
                  v1::LiveSettings& settings);

}  // namespace rlhf
