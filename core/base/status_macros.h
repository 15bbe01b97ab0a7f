// RLHF_RETURN_IF_ERROR(expr): returns expr's status if it is an error.
// RLHF_ASSIGN_OR_RETURN(lhs, expr): the same for a StatusOr, else assigns.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

#define RLHF_RETURN_IF_ERROR(expr)                              \
  do {                                                          \
    if (absl::Status rlhf_status_ = (expr); !rlhf_status_.ok()) \
      return rlhf_status_;                                      \
  } while (false)

#define RLHF_CONCAT_INNER_(a, b) a##b
#define RLHF_CONCAT_(a, b) RLHF_CONCAT_INNER_(a, b)
#define RLHF_ASSIGN_OR_RETURN(lhs, expr) \
  RLHF_ASSIGN_OR_RETURN_(RLHF_CONCAT_(rlhf_statusor_, __LINE__), lhs, expr)
#define RLHF_ASSIGN_OR_RETURN_(var, lhs, expr)   \
  auto var = (expr);                             \
  if (!var.ok()) return std::move(var).status(); \
  lhs = *std::move(var)

namespace rlhf {

// The same error with `context` and ": " before its message.
inline absl::Status WithContext(const absl::Status& status,
                                absl::string_view context) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(context, ": ", status.message()));
}

}  // namespace rlhf
