#include "core/rpc/permissions.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/file.h"
#include "core/rpc/every_method_fixtures.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::UnorderedElementsAreArray;

std::string AsMarkdown() {
  std::string text = "| method | may be called by |\n|---|---|\n";
  for (const Permission& permission : Permissions()) {
    absl::StrAppend(&text, "| `", permission.method.substr(1), "` | ",
                    absl::StrJoin(permission.callers, ", "), " |\n");
  }
  return text;
}

TEST(PermissionsTest, EveryMethodOfProtoHasItsRow) {
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> methods, EveryMethod());
  EXPECT_GE(methods.size(), 20);
  std::vector<std::string> rows;
  for (const Permission& permission : Permissions()) {
    rows.emplace_back(permission.method);
    EXPECT_FALSE(permission.callers.empty()) << permission.method;
  }
  EXPECT_THAT(rows, UnorderedElementsAreArray(methods));
}

TEST(PermissionsTest, EveryCallerIsARole) {
  for (const Permission& permission : Permissions()) {
    for (const absl::string_view caller : permission.callers) {
      EXPECT_THAT(kEveryRole, testing::Contains(std::string(caller)))
          << permission.method;
    }
  }
}

// What would undo a run if anybody could do it, in words of its own.
TEST(PermissionsTest, OnlyOperatorsChangeTheStoreAndOnlyActorsBringRollouts) {
  for (const char* const role : kEveryRole) {
    const bool is_operator = std::string(role) == kOperatorRole;
    for (const char* const method :
         {"/rlhf.v1.FeedbackImport/Import", "/rlhf.v1.FeedbackImport/Retract",
          "/rlhf.v1.FeedbackImport/DecideBatch", "/rlhf.v1.Store/Backup"}) {
      EXPECT_EQ(CheckPermission(role, method).ok(), is_operator)
          << role << " " << method;
    }
    EXPECT_EQ(CheckPermission(role, "/rlhf.v1.Rollouts/SubmitRollouts").ok(),
              std::string(role) == "actor")
        << role;
  }
}

TEST(PermissionsTest, ARefusalNamesRoleMethodAndWhoMay) {
  EXPECT_THAT(CheckPermission("actor", "/rlhf.v1.Control/GetStatus"),
              StatusIs(StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("the role actor"),
                             HasSubstr("/rlhf.v1.Control/GetStatus"),
                             HasSubstr("this is for refresher, operator"))));
}

TEST(PermissionsTest, WhatHasNoRowIsRefused) {
  for (const char* const method :
       {"/rlhf.v1.Control/Shutdown", "/rlhf.v1.Control/GetStatus2", "/", "",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}) {
    EXPECT_THAT(
        CheckPermission(kOperatorRole, method),
        StatusIs(StatusCode::kPermissionDenied, HasSubstr("no such method")))
        << method;
  }
  EXPECT_THAT(CheckPermission("janitor", "/rlhf.v1.Control/GetStatus"),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("janitor")));
}

TEST(PermissionsTest, EverybodyMayAskWhetherARoleLives) {
  for (const char* const role : kEveryRole) {
    EXPECT_OK(CheckPermission(role, "/grpc.health.v1.Health/Check"));
  }
}

TEST(PermissionsTest, DocumentShowsTheTable) {
  const char* root = std::getenv("RLHF_SOURCE_DIR");
  ASSERT_OK_AND_ASSIGN(const std::string document,
                       ReadFile(absl::StrCat(root == nullptr ? "." : root,
                                             "/docs/security.md")));
  EXPECT_THAT(document, HasSubstr(AsMarkdown()))
      << "put this into docs/security.md:\n"
      << AsMarkdown();
}

}  // namespace
}  // namespace rlhf
