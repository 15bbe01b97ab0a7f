#include "feedback/page_files.h"

#include <regex>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(PageFilesTest, PagesHavePathsWithoutTheirExtension) {
  EXPECT_EQ(FindPageFile("/")->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(FindPageFile("/requester")->content_type,
            "text/html; charset=utf-8");
  EXPECT_EQ(FindPageFile("/page.js")->content_type,
            "text/javascript; charset=utf-8");
  EXPECT_EQ(FindPageFile("/base.css")->content_type, "text/css; charset=utf-8");
  EXPECT_EQ(FindPageFile("/icon.svg")->content_type, "image/svg+xml");
  for (const char* path : {"", "/index.html", "/embed.cmake", "/../page.js"}) {
    EXPECT_EQ(FindPageFile(path), nullptr) << path;
  }
}

TEST(PageFilesTest, TemplateShowsValuesAsTextAndIsNoPageOfItsOwn) {
  const std::string page =
      FillTemplate("not_for_role", {{"problem", "<a href='\"'>&{{problem}}"}});
  EXPECT_THAT(page, HasSubstr("<p>&lt;a href=&#39;&quot;&#39;&gt;&amp;"
                              "{{problem}}.</p>"));
  EXPECT_EQ(FindPageFile("/not_for_role.template"), nullptr);
  EXPECT_EQ(FindPageFile("/not_for_role"), nullptr);
}

TEST(PageFilesTest, TemplateWantsItsKeysAndNoOthers) {
  EXPECT_DEATH(FillTemplate("not_for_role", {}), "wants problem");
  EXPECT_DEATH(FillTemplate("not_for_role", {{"problem", ""}, {"a", ""}}),
               "lacks a key");
  EXPECT_DEATH(FillTemplate("nowhere", {}), "nowhere");
}

TEST(PageFilesTest, PagesNeedNothingFromOutside) {
  for (const EmbeddedFile* file = kEmbeddedFiles; file->name != nullptr;
       ++file) {
    std::string contents = file->contents;
    // Names of XML, which nobody asks for.
    contents = std::regex_replace(contents,
                                  std::regex("http://www.w3.org/2000/svg"), "");
    EXPECT_THAT(contents,
                AllOf(Not(HasSubstr("http:")), Not(HasSubstr("https:")),
                      Not(HasSubstr("style=")), Not(HasSubstr("@import"))))
        << file->name;
  }
}

TEST(PageFilesTest, EverythingThatPagesNameIsServed) {
  const std::regex name(R"re((?:href|src|from) ?=? ?"(/[a-z_]+\.[a-z]+)")re");
  int num_found = 0;
  for (const EmbeddedFile* file = kEmbeddedFiles; file->name != nullptr;
       ++file) {
    const std::string contents = file->contents;
    for (std::sregex_iterator match(contents.begin(), contents.end(), name),
         end;
         match != end; ++match) {
      ++num_found;
      EXPECT_NE(FindPageFile((*match)[1].str()), nullptr)
          << file->name << " names " << (*match)[1];
    }
  }
  EXPECT_GT(num_found, 30);
}

TEST(PageFilesTest, ScriptsNeverWriteHtml) {
  for (const EmbeddedFile* file = kEmbeddedFiles; file->name != nullptr;
       ++file) {
    if (!absl::EndsWith(file->name, ".js")) continue;
    EXPECT_THAT(
        file->contents,
        AllOf(Not(HasSubstr("innerHTML")), Not(HasSubstr("outerHTML")),
              Not(HasSubstr("insertAdjacentHTML")),
              Not(HasSubstr("document.write")), Not(HasSubstr("eval("))))
        << file->name;
  }
}

}  // namespace
}  // namespace rlhf
