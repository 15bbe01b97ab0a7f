#include "core/comparisons/csv.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Rows = std::vector<std::vector<std::string>>;

Rows RowsOf(const std::string& text) {
  const auto records = ParseCsv(text);
  EXPECT_OK(records) << text;
  Rows rows;
  if (!records.ok()) return rows;
  for (const CsvRecord& record : *records) rows.push_back(record.fields);
  return rows;
}

TEST(ParseCsvTest, RecordsEndWithEitherLineBreakOrTheFile) {
  const Rows expected = {{"a", "b"}, {"c", ""}};
  EXPECT_EQ(RowsOf("a,b\nc,\n"), expected);
  EXPECT_EQ(RowsOf("a,b\r\nc,\r\n"), expected);
  EXPECT_EQ(RowsOf("a,b\nc,"), expected);
  EXPECT_EQ(RowsOf("\xEF\xBB\xBF\n\na,b\n\r\nc,\n\n"), expected);
}

TEST(ParseCsvTest, QuotedFieldsHoldAnything) {
  EXPECT_THAT(RowsOf("\"a,b\",\"say \"\"hi\"\"\",\"\"\n"),
              ElementsAre(ElementsAre("a,b", "say \"hi\"", "")));
  EXPECT_THAT(RowsOf("\"one\r\ntwo\n\",x\r\n"),
              ElementsAre(ElementsAre("one\r\ntwo\n", "x")));
  EXPECT_THAT(RowsOf("\"\"\"\"\"\""), ElementsAre(ElementsAre("\"\"")));
}

TEST(ParseCsvTest, SpacesAndLoneReturnsBelongToTheField) {
  EXPECT_THAT(RowsOf(" a ,b\rc\n"), ElementsAre(ElementsAre(" a ", "b\rc")));
}

TEST(ParseCsvTest, RecordsKnowTheirLinesInSpiteOfQuotedOnes) {
  ASSERT_OK_AND_ASSIGN(const std::vector<CsvRecord> records,
                       ParseCsv("a\n\"1\n2\n3\"\n\nb\n"));
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_EQ(records[0].line, 1);
  EXPECT_EQ(records[1].line, 2);
  EXPECT_EQ(records[2].line, 6);
}

TEST(ParseCsvTest, AnEmptyFileHasNoRecords) {
  EXPECT_THAT(RowsOf(""), IsEmpty());
  EXPECT_THAT(RowsOf("\n\r\n"), IsEmpty());
}

TEST(ParseCsvTest, MalformedTextIsNamedWithItsLine) {
  struct Case {
    std::string text;
    const char* problem;
  };
  for (const Case& bad : {
           Case{"a,b\nc,d\"e\n", "line 2: a quotation mark in a field"},
           Case{"a\n\"b\" c\n", "line 2: text after a closing quotation mark"},
           Case{"a\n\"b\n\nc\n", "line 2: the quotation mark of this field"},
           Case{"\"", "line 1: the quotation mark of this field"},
           Case{std::string("a\nb\0c\n", 6), "line 2: a NUL byte"},
           Case{"a\nb\nz\xFFz\n", "line 3: not UTF-8"},
           Case{"a\nb\xC3", "line 2: not UTF-8"},
       }) {
    EXPECT_THAT(ParseCsv(bad.text), StatusIs(absl::StatusCode::kInvalidArgument,
                                             HasSubstr(bad.problem)))
        << bad.text;
  }
}

TEST(ParseCsvTest, Utf16IsToldFromText) {
  EXPECT_THAT(ParseCsv(std::string("\xFF\xFE"
                                   "a\0,\0b\0",
                                   8)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("save the file as CSV in UTF-8")));
}

}  // namespace
}  // namespace rlhf
