#include "core/comparisons/xml_rows.h"

#include <sstream>
#include <streambuf>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// The Id of every row.
std::vector<std::string> IdsOf(const std::string& xml) {
  std::istringstream stream(xml);
  XmlRowReader reader(&stream);
  std::vector<std::string> ids;
  while (true) {
    const auto row = reader.Next();
    EXPECT_OK(row) << xml;
    if (!row.ok() || !row->has_value()) return ids;
    ids.push_back((*row)->attributes.at("Id"));
  }
}

absl::Status ErrorOf(const std::string& xml) {
  std::istringstream stream(xml);
  XmlRowReader reader(&stream);
  while (true) {
    const auto row = reader.Next();
    if (!row.ok()) return row.status();
    if (!row->has_value()) return absl::OkStatus();
  }
}

TEST(XmlRowReaderTest, AttributesAreDecoded) {
  std::istringstream stream(
      "<posts><row Id=\"1\" Body=\"&lt;p&gt;a &amp;amp; b&lt;/p&gt;&#xA;\"\n"
      "  Title = 'say \"hi\"' Empty=\"\" /></posts>");
  XmlRowReader reader(&stream);
  ASSERT_OK_AND_ASSIGN(const auto row, reader.Next());
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->offset, 7);
  EXPECT_THAT(row->attributes,
              ElementsAre(Pair("Body", "<p>a &amp; b</p>\n"), Pair("Empty", ""),
                          Pair("Id", "1"), Pair("Title", "say \"hi\"")));
}

TEST(XmlRowReaderTest, OnlyRowsAreGiven) {
  EXPECT_THAT(
      IdsOf("\xEF\xBB\xBF<?xml version=\"1.0\"?><!DOCTYPE posts>\n<posts>"
            "<!-- <row Id=\"0\"/> - -- > --><rows Id=\"x\"/>text"
            "<row Id=\"1\"/><row Id=\"2\"></row><other a='b'></other>"
            "<row Id='3' /></posts>\n"),
      ElementsAre("1", "2", "3"));
  EXPECT_THAT(IdsOf(""), ElementsAre());
  EXPECT_THAT(IdsOf("not XML at all"), ElementsAre());
}

TEST(XmlRowReaderTest, RowsMayBeReadAgainFromTheirOffsets) {
  // Longer than what is read at once.
  std::string xml = "<posts>";
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&xml, "<row Id=\"", i, "\" Body=\"",
                    std::string(5000, static_cast<char>('a' + i)), "\"/>");
  }
  std::istringstream stream(xml);
  XmlRowReader reader(&stream);
  std::vector<XmlRow> rows;
  while (true) {
    ASSERT_OK_AND_ASSIGN(auto row, reader.Next());
    if (!row.has_value()) break;
    rows.push_back(*std::move(row));
  }
  ASSERT_EQ(rows.size(), 20);
  for (const int i : {3, 4, 19, 0, 7, 6}) {
    ASSERT_OK(reader.Seek(rows[i].offset));
    ASSERT_OK_AND_ASSIGN(const auto row, reader.Next());
    ASSERT_TRUE(row.has_value());
    EXPECT_EQ(row->offset, rows[i].offset);
    EXPECT_EQ(row->attributes, rows[i].attributes);
    EXPECT_EQ(row->attributes.at("Body"),
              std::string(5000, static_cast<char>('a' + i)));
  }
}

TEST(XmlRowReaderTest, MalformedRowsAreNamedWithTheirByte) {
  struct Case {
    std::string xml;
    const char* problem;
  };
  for (const Case& bad : {
           Case{"<a><row Id=\"1", "byte 3: it has no end: the file is cut off"},
           Case{"<a><row Id=\"1\"", "it has no end"},
           Case{"<row", "it has no end"},
           Case{"<row Id=1/>", "the value of Id is not in quotes"},
           Case{"<row Id/>", "wanted attributes, NAME=\"value\""},
           Case{"<row =\"1\"/>", "wanted attributes"},
           Case{"<row Id=\"1\" & />", "wanted attributes"},
           Case{"<row Id=\"1\" Id=\"1\"/>", "Id is there twice"},
           Case{"<row Id=\"" + std::string(17 << 20, 'x'),
                "longer than 16 MiB"},
           Case{"<row " + std::string(17 << 20, 'x'), "wanted attributes"},
       }) {
    EXPECT_THAT(ErrorOf(bad.xml),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("the element at byte"),
                               HasSubstr(bad.problem))))
        << bad.xml.substr(0, 30);
  }
}

TEST(XmlRowReaderTest, NulsAndUtf16AreTold) {
  for (const std::string& xml :
       {std::string("<row Id=\"\0\"/>", 13), std::string("\0", 1),
        std::string("7z\xBC\xAF\x27\x1C\0\4<\0", 10),
        std::string("\xFF\xFE<\0r\0o\0w\0", 10)}) {
    EXPECT_THAT(ErrorOf(xml), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("a NUL byte")));
  }
}

// Cannot be gone back in, as a pipe.
class Pipe : public std::streambuf {};

TEST(XmlRowReaderTest, APipeCannotBeReadTwice) {
  Pipe pipe;
  std::istream stream(&pipe);
  XmlRowReader reader(&stream);
  EXPECT_THAT(reader.Seek(5), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("not a pipe")));
}

// Fails as a disk does.
class BrokenDisk : public std::streambuf {
 protected:
  int_type underflow() override { throw std::ios_base::failure("disk"); }
};

TEST(XmlRowReaderTest, AStreamThatFailsIsUnavailable) {
  BrokenDisk disk;
  std::istream stream(&disk);
  XmlRowReader reader(&stream);
  EXPECT_THAT(reader.Next(), StatusIs(absl::StatusCode::kUnavailable,
                                      HasSubstr("reading failed at byte 0")));
}

}  // namespace
}  // namespace rlhf
