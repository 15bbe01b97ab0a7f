#include "core/base/proto_json.h"

#include <google/protobuf/type.pb.h>

#include "core/base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using google::protobuf::Field;
using testing::HasSubstr;
using testing::Not;

Field SomeField() {
  Field field;
  field.set_kind(Field::TYPE_BOOL);
  field.set_name("two\nlines");
  field.set_type_url("url");
  return field;
}

TEST(ProtoJsonTest, ALineHasTheNamesOfTheProtoFileAndEveryDefault) {
  const std::string line = ProtoToJsonLine(SomeField());
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(line));
  EXPECT_EQ(json["type_url"], "url");
  EXPECT_EQ(json["name"], "two\nlines");
  EXPECT_EQ(json["kind"], "TYPE_BOOL");
  EXPECT_EQ(json["number"], 0);
  EXPECT_EQ(json["options"], Json::array());
}

TEST(ProtoJsonTest, BothFormsAreReadBack) {
  for (const std::string& text :
       {ProtoToJsonLine(SomeField()), ProtoToPrettyJson(SomeField())}) {
    Field field;
    ASSERT_OK(JsonToProto(text, &field));
    EXPECT_EQ(field.SerializeAsString(), SomeField().SerializeAsString());
  }
  EXPECT_THAT(ProtoToPrettyJson(SomeField()), HasSubstr("\n"));
}

TEST(ProtoJsonTest, RefusesWhatTheMessageDoesNotHold) {
  const auto refused = [](const char* json, const char* message) {
    Field field;
    EXPECT_THAT(
        JsonToProto(json, &field),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  refused(R"({"nmae": "a"})", "nmae");
  refused(R"({"number": "one"})", "number");
  refused(R"({"name": "a")", "Expected");
  refused("", "Unexpected end");
}

}  // namespace
}  // namespace rlhf
