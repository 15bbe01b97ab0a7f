#include "core/comparisons/stack_exchange.h"

#include <algorithm>
#include <random>
#include <set>
#include <sstream>
#include <streambuf>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/json.h"
#include "core/comparisons/parse_comparisons.h"
#include "gtest/gtest.h"
#include "tests/fixtures/comparisons/fixture.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSubsetOf;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

struct Converted {
  StackExchangeCounts counts;
  std::vector<std::string> lines;
};

absl::StatusOr<Converted> Convert(const std::string& xml,
                                  const StackExchangeOptions& options = {}) {
  std::istringstream in(xml);
  std::ostringstream out;
  const auto counts = ConvertStackExchange(in, options, out);
  if (!counts.ok()) return counts.status();
  return Converted{*counts, absl::StrSplit(out.str(), '\n', absl::SkipEmpty())};
}

// "chosen > rejected" of each line.
std::vector<std::string> Rankings(const Converted& converted) {
  std::vector<std::string> rankings;
  for (const std::string& line : converted.lines) {
    const Json json = *ParseJson(line);
    rankings.push_back(absl::StrCat(*GetString(json, "chosen"), " > ",
                                    *GetString(json, "rejected")));
  }
  return rankings;
}

std::string QuestionRow(int id) {
  return absl::StrCat("<row Id=\"", id,
                      "\" PostTypeId=\"1\" Title=\"q\" Body=\"\" />\n");
}

std::string AnswerRow(int id, int question, int64_t votes,
                      const std::string& body) {
  return absl::StrCat("<row Id=\"", id, "\" PostTypeId=\"2\" ParentId=\"",
                      question, "\" Score=\"", votes, "\" Body=\"", body,
                      "\" />\n");
}

// One question with `count` answers of the scores 0, 1, 2, …, called so.
std::vector<std::string> Ladder(int count) {
  std::vector<std::string> rows = {QuestionRow(1)};
  for (int i = 0; i < count; ++i) {
    rows.push_back(
        AnswerRow(10 + i, 1, (int64_t{1} << i) - 1, absl::StrCat("s", i)));
  }
  return rows;
}

std::string Joined(const std::vector<std::string>& rows) {
  std::string xml;
  for (const std::string& row : rows) xml += row;
  return xml;
}

TEST(AnswerScoreTest, IsTheNearestWholeLogarithm) {
  // k is nearest to log2(n) if 2^(k - 1/2) <= n < 2^(k + 1/2), and in whole
  // numbers if 2^(2k - 1) <= n^2 < 2^(2k + 1).
  for (int64_t votes = 0; votes < 100'000; ++votes) {
    const int64_t n = 1 + votes;
    const int k = AnswerScore(votes, false);
    ASSERT_LT(n * n, int64_t{1} << (2 * k + 1)) << votes;
    if (k > 0) {
      ASSERT_LE(int64_t{1} << (2 * k - 1), n * n) << votes;
    }
    ASSERT_GE(k, 0);
  }
}

TEST(AnswerScoreTest, AcceptedIsOneMoreAndNegativeIsMinusOne) {
  EXPECT_EQ(AnswerScore(0, false), 0);
  EXPECT_EQ(AnswerScore(0, true), 1);
  EXPECT_EQ(AnswerScore(1, false), 1);
  EXPECT_EQ(AnswerScore(2, false), 2);
  EXPECT_EQ(AnswerScore(5, true), 4);
  EXPECT_EQ(AnswerScore(-1, false), -1);
  EXPECT_EQ(AnswerScore(-1000, true), -1);
}

TEST(ConvertStackExchangeTest, AnswersOfDifferentScoreAreRankedPairs) {
  ASSERT_OK_AND_ASSIGN(const Converted converted,
                       Convert(FeedbackFixture("posts.xml")));
  const std::string code = "Like so:\n\na = b < c\n  d";
  EXPECT_THAT(Rankings(converted),
              UnorderedElementsAre(absl::StrCat(code, " > Use sort."),
                                   absl::StrCat(code, " > Don't."),
                                   "Use sort. > Don't."));
  for (const std::string& line : converted.lines) {
    EXPECT_EQ(*GetString(*ParseJson(line), "prompt"),
              "How do I sort List<T>?\n\nI have a list & a set.");
  }
  EXPECT_EQ(converted.counts.num_questions, 2);
  EXPECT_EQ(converted.counts.num_answers, 4);
  EXPECT_EQ(converted.counts.num_other_posts, 1);
  EXPECT_EQ(converted.counts.num_orphans, 1);
  EXPECT_EQ(converted.counts.num_questions_used, 1);
  EXPECT_EQ(converted.counts.num_pairs, 3);
  EXPECT_EQ(converted.counts.num_pairs_left_out, 0);
}

TEST(ConvertStackExchangeTest, TheLinesAreComparisonsToImport) {
  ASSERT_OK_AND_ASSIGN(const Converted converted,
                       Convert(FeedbackFixture("posts.xml")));
  ASSERT_OK_AND_ASSIGN(
      const ParsedComparisons parsed,
      ParseComparisons(Joined({converted.lines[0], "\n", converted.lines[1]}),
                       "pairs.jsonl"));
  EXPECT_THAT(parsed.comparisons, SizeIs(2));
  EXPECT_THAT(parsed.refused, SizeIs(0));
}

TEST(ConvertStackExchangeTest, BinarisedPairsSayGoodAndBad) {
  ASSERT_OK_AND_ASSIGN(const Converted converted,
                       Convert(Joined(Ladder(2)), {.max_pairs_per_question = 4,
                                                   .binarise = true}));
  EXPECT_THAT(Rankings(converted),
              ElementsAre("GOOD:s1 > BAD:s1", "BAD:s0 > GOOD:s0"));
  EXPECT_EQ(converted.counts.num_pairs, 1);
}

TEST(ConvertStackExchangeTest, ManyPairsOfAQuestionAreFewAndAlwaysTheSame) {
  std::vector<std::string> rows = Ladder(10);
  ASSERT_OK_AND_ASSIGN(const Converted all,
                       Convert(Joined(rows), {.max_pairs_per_question = 1000}));
  std::set<std::string> every;
  for (int better = 0; better < 10; ++better) {
    for (int worse = 0; worse < better; ++worse) {
      every.insert(absl::StrCat("s", better, " > s", worse));
    }
  }
  EXPECT_THAT(Rankings(all), testing::UnorderedElementsAreArray(every));

  ASSERT_OK_AND_ASSIGN(const Converted four, Convert(Joined(rows)));
  EXPECT_THAT(Rankings(four), SizeIs(4));
  EXPECT_THAT(Rankings(four), IsSubsetOf(every));
  std::mt19937 random(7);
  std::shuffle(rows.begin(), rows.end(), random);
  ASSERT_OK_AND_ASSIGN(const Converted shuffled, Convert(Joined(rows)));
  EXPECT_EQ(shuffled.lines, four.lines);
}

TEST(ConvertStackExchangeTest, AQuestionOfManyAnswersTakesBoundedTime) {
  // All pairs of them would be a quarter of 10^10.
  std::string xml = QuestionRow(1);
  for (int i = 0; i < 100'000; ++i) {
    xml += AnswerRow(10 + i, 1, i % 2 == 0 ? 0 : 7, absl::StrCat("a", i));
  }
  ASSERT_OK_AND_ASSIGN(const Converted converted,
                       Convert(xml, {.max_pairs_per_question = 1'000'000}));
  EXPECT_GT(converted.counts.num_pairs, 0);
  EXPECT_LE(converted.counts.num_pairs, 32 * 32);
}

TEST(ConvertStackExchangeTest, EqualScoresAndEmptyTextsAreNoPairs) {
  ASSERT_OK_AND_ASSIGN(
      const Converted converted,
      Convert(Joined(
          {QuestionRow(1), AnswerRow(2, 1, 4, "a"), AnswerRow(3, 1, 3, "b"),
           QuestionRow(4), AnswerRow(5, 4, 9, "&lt;img src='x'&gt;"),
           AnswerRow(6, 4, 0, "c"), QuestionRow(7), AnswerRow(8, 7, 9, "same"),
           AnswerRow(9, 7, 0, "&lt;p&gt;same&lt;/p&gt;")})));
  EXPECT_THAT(converted.lines, SizeIs(0));
  EXPECT_EQ(converted.counts.num_pairs_left_out, 2);
  EXPECT_EQ(converted.counts.num_questions_used, 0);
}

TEST(ConvertStackExchangeTest, AnAcceptedAnswerOfAnotherQuestionIsNotAccepted) {
  ASSERT_OK_AND_ASSIGN(
      const Converted converted,
      Convert("<row Id='1' PostTypeId='1' AcceptedAnswerId='5' Title='q' />" +
              AnswerRow(2, 1, 0, "a") + AnswerRow(3, 1, 0, "b") +
              QuestionRow(4) + AnswerRow(5, 4, 0, "c") +
              AnswerRow(6, 4, 0, "d")));
  EXPECT_THAT(converted.lines, SizeIs(0));
}

TEST(ConvertStackExchangeTest, FilesThatAreNoDumpAreNamed) {
  struct Case {
    std::string xml;
    const char* problem;
  };
  for (const Case& bad : {
           Case{"", "no question and no answer; wanted Posts.xml"},
           Case{"{\"prompt\": 1}", "no question and no answer"},
           Case{"<row Id='1' UserId='3'/>", "byte 0 has no PostTypeId"},
           Case{"<row PostTypeId='1'/>", "byte 0 has no Id"},
           Case{"<row Id='0' PostTypeId='1'/>", "Id is 0, not positive"},
           Case{"<row Id='1' PostTypeId='one'/>",
                "PostTypeId is no whole number"},
           Case{"<row Id='99999999999999999999' PostTypeId='1'/>",
                "Id is no whole number"},
           Case{"<row Id='1' PostTypeId='2' Score='1'/>", "has no ParentId"},
           Case{"<row Id='1' PostTypeId='2' ParentId='2'/>", "has no Score"},
           Case{QuestionRow(3) + QuestionRow(3), "post 3 is there twice"},
           Case{AnswerRow(3, 1, 0, "") + AnswerRow(3, 1, 0, ""),
                "post 3 is there twice"},
           Case{"<posts><row Id=\"1\" PostTypeId=\"1\" Body=\"x",
                "the file is cut off"},
       }) {
    EXPECT_THAT(Convert(bad.xml), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr(bad.problem)))
        << bad.xml;
  }
  EXPECT_THAT(Convert(QuestionRow(1), {.max_pairs_per_question = 0}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("max_pairs_per_question is 0")));
}

// Gives another text each time that it is read from the beginning.
class ChangingFile : public std::stringbuf {
 public:
  ChangingFile(const std::string& first, std::string second)
      : std::stringbuf(first, std::ios_base::in), second_(std::move(second)) {}

 protected:
  pos_type seekpos(pos_type position, std::ios_base::openmode mode) override {
    if (++num_seeks_ == 2) str(second_);
    return std::stringbuf::seekpos(position, mode);
  }

 private:
  const std::string second_;
  int num_seeks_ = 0;
};

TEST(ConvertStackExchangeTest, AFileThatChangesMeanwhileIsNoticed) {
  // Longer than what is read at once, so that the file is read again.
  const std::string long_text(40'000, 'x');
  ChangingFile file(Joined({QuestionRow(1), AnswerRow(2, 1, 0, long_text),
                            AnswerRow(3, 1, 5, "b")}),
                    Joined({QuestionRow(9), AnswerRow(2, 9, 0, long_text),
                            AnswerRow(3, 9, 5, "b")}));
  std::istream in(&file);
  std::ostringstream out;
  EXPECT_THAT(ConvertStackExchange(in, {}, out),
              StatusIs(absl::StatusCode::kAborted,
                       HasSubstr("post 1 is no more at byte 0")));
}

TEST(ConvertStackExchangeTest, AnOutputThatTakesNothingIsUnavailable) {
  std::istringstream in(Joined(Ladder(2)));
  std::ostream out(nullptr);
  EXPECT_THAT(ConvertStackExchange(in, {}, out),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("writing the pairs failed")));
}

}  // namespace
}  // namespace rlhf
