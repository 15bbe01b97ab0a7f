// EXPECT_OK(status), ASSERT_OK(status), StatusIs(code, message matcher),
// IsOkAndHolds(value), and ASSERT_OK_AND_ASSIGN(auto x, StatusOr). Debian's
// Abseil has none of these.
#pragma once

#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

namespace absl {

// How GoogleTest prints it, which else shows its bytes.
template <typename T>
void PrintTo(const StatusOr<T>& value, std::ostream* out) {
  *out << value.status();
}

}  // namespace absl

namespace rlhf {

inline absl::Status ToStatus(const absl::Status& status) { return status; }
template <typename T>
absl::Status ToStatus(const absl::StatusOr<T>& value) {
  return value.status();
}

MATCHER_P2(
    StatusIs, code, message_matcher,
    absl::StrCat(negation ? "is no " : "is a ", absl::StatusCodeToString(code),
                 " whose message ",
                 testing::DescribeMatcher<std::string>(message_matcher))) {
  const absl::Status status = ToStatus(arg);
  return status.code() == code &&
         testing::Value(std::string(status.message()), message_matcher);
}

MATCHER_P(IsOkAndHolds, value, negation ? "is not the value" : "is the value") {
  return arg.ok() && *arg == value;
}

MATCHER(IsOk, negation ? "is an error" : "is OK") { return arg.ok(); }

}  // namespace rlhf

#define EXPECT_OK(expr) EXPECT_THAT((expr), ::rlhf::IsOk())
#define ASSERT_OK(expr) ASSERT_THAT((expr), ::rlhf::IsOk())
#define RLHF_TEST_CONCAT_INNER_(a, b) a##b
#define RLHF_TEST_CONCAT_(a, b) RLHF_TEST_CONCAT_INNER_(a, b)
#define ASSERT_OK_AND_ASSIGN(lhs, expr) \
  ASSERT_OK_AND_ASSIGN_(RLHF_TEST_CONCAT_(statusor_, __LINE__), lhs, expr)
#define ASSERT_OK_AND_ASSIGN_(var, lhs, expr) \
  auto var = (expr);                          \
  ASSERT_TRUE(var.ok()) << var.status();      \
  lhs = *std::move(var)
