#include "core/comparisons/stack_exchange.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/comparisons/html_text.h"
#include "core/comparisons/xml_rows.h"

namespace rlhf {
namespace {

// All pairs of so many answers are few enough to be listed.
constexpr size_t kMaxAnswers = 64;
constexpr int64_t kQuestionType = 1;
constexpr int64_t kAnswerType = 2;

// Where the posts are in the file; their texts stay there.
struct Question {
  int64_t id = 0;
  int64_t accepted_answer = 0;
  int64_t offset = 0;
};
struct Answer {
  int64_t question = 0;
  int64_t id = 0;
  int64_t votes = 0;
  int64_t offset = 0;
};
struct Index {
  std::vector<Question> questions;
  std::vector<Answer> answers;
};

struct Pair {
  Answer better;
  Answer worse;
};

// The attribute as a number, 0 if it is absent.
absl::StatusOr<int64_t> NumberOr0(const XmlRow& row, const char* name) {
  const auto found = row.attributes.find(name);
  int64_t number = 0;
  if (found == row.attributes.end() ||
      absl::SimpleAtoi(found->second, &number)) {
    return number;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the element at byte ", row.offset, ": ", name, " is no whole number"));
}

absl::StatusOr<int64_t> Number(const XmlRow& row, const char* name) {
  if (row.attributes.count(name) > 0) return NumberOr0(row, name);
  return absl::InvalidArgumentError(
      absl::StrCat("the element at byte ", row.offset, " has no ", name,
                   "; wanted Posts.xml of a Stack Exchange data dump"));
}

std::string Text(const XmlRow& row, const char* name) {
  const auto found = row.attributes.find(name);
  return found == row.attributes.end() ? "" : found->second;
}

absl::Status AddPost(const XmlRow& row, Index& index,
                     StackExchangeCounts& counts) {
  RLHF_ASSIGN_OR_RETURN(const int64_t type, Number(row, "PostTypeId"));
  RLHF_ASSIGN_OR_RETURN(const int64_t id, Number(row, "Id"));
  if (id < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the element at byte ", row.offset, ": Id is ", id, ", not positive"));
  }
  if (type == kQuestionType) {
    RLHF_ASSIGN_OR_RETURN(const int64_t accepted,
                          NumberOr0(row, "AcceptedAnswerId"));
    index.questions.push_back({id, accepted, row.offset});
    ++counts.num_questions;
  } else if (type == kAnswerType) {
    RLHF_ASSIGN_OR_RETURN(const int64_t question, Number(row, "ParentId"));
    RLHF_ASSIGN_OR_RETURN(const int64_t votes, Number(row, "Score"));
    index.answers.push_back({question, id, votes, row.offset});
    ++counts.num_answers;
  } else {
    ++counts.num_other_posts;
  }
  return absl::OkStatus();
}

// InvalidArgument if two neighbours of a sorted list are the same post.
template <typename Post>
absl::Status CheckDistinct(const std::vector<Post>& posts) {
  for (size_t i = 1; i < posts.size(); ++i) {
    if (posts[i].id != posts[i - 1].id) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("post ", posts[i].id, " is there twice, at bytes ",
                     posts[i - 1].offset, " and ", posts[i].offset));
  }
  return absl::OkStatus();
}

// Questions by id, answers by question and id.
absl::StatusOr<Index> ReadIndex(XmlRowReader& reader,
                                StackExchangeCounts& counts) {
  Index index;
  RLHF_RETURN_IF_ERROR(reader.Seek(0));
  while (true) {
    RLHF_ASSIGN_OR_RETURN(const std::optional<XmlRow> row, reader.Next());
    if (!row.has_value()) break;
    RLHF_RETURN_IF_ERROR(AddPost(*row, index, counts));
  }
  if (index.questions.empty() && index.answers.empty()) {
    return absl::InvalidArgumentError(
        "no question and no answer; wanted Posts.xml of a Stack Exchange data "
        "dump");
  }
  std::sort(index.questions.begin(), index.questions.end(),
            [](const Question& a, const Question& b) { return a.id < b.id; });
  std::sort(index.answers.begin(), index.answers.end(),
            [](const Answer& a, const Answer& b) {
              return std::pair(a.question, a.id) < std::pair(b.question, b.id);
            });
  RLHF_RETURN_IF_ERROR(CheckDistinct(index.questions));
  RLHF_RETURN_IF_ERROR(CheckDistinct(index.answers));
  return index;
}

uint64_t HashOfId(int64_t id) { return MixHash(static_cast<uint64_t>(id), 0); }

uint64_t HashOfPair(const Pair& pair) {
  return MixHash(static_cast<uint64_t>(pair.better.id),
                 static_cast<uint64_t>(pair.worse.id));
}

// Pairs of different score, the better answer first.
std::vector<Pair> DrawPairs(const Question& question,
                            absl::Span<const Answer> of_question,
                            int64_t most) {
  std::vector<Answer> answers(of_question.begin(), of_question.end());
  std::sort(answers.begin(), answers.end(),
            [](const Answer& a, const Answer& b) {
              return HashOfId(a.id) < HashOfId(b.id);
            });
  answers.resize(std::min(answers.size(), kMaxAnswers));
  const auto score = [&](const Answer& answer) {
    return AnswerScore(answer.votes, answer.id == question.accepted_answer);
  };
  std::vector<Pair> pairs;
  for (const Answer& better : answers) {
    for (const Answer& worse : answers) {
      if (score(better) > score(worse)) pairs.push_back({better, worse});
    }
  }
  std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
    return HashOfPair(a) < HashOfPair(b);
  });
  if (pairs.size() > static_cast<size_t>(most)) {
    pairs.resize(static_cast<size_t>(most));
  }
  return pairs;
}

class PairWriter {
 public:
  PairWriter(XmlRowReader* reader, bool binarise, std::ostream* out)
      : reader_(reader), binarise_(binarise), out_(out) {}

  absl::Status Write(const Question& question, const std::vector<Pair>& pairs,
                     StackExchangeCounts& counts) {
    if (pairs.empty()) return absl::OkStatus();
    RLHF_ASSIGN_OR_RETURN(const XmlRow row,
                          ReadPost(question.offset, question.id));
    const std::string prompt(absl::StripAsciiWhitespace(absl::StrCat(
        Text(row, "Title"), "\n\n", HtmlToText(Text(row, "Body")))));
    const int64_t num_before = counts.num_pairs;
    for (const Pair& pair : pairs) {
      RLHF_ASSIGN_OR_RETURN(const std::string better, ReadAnswer(pair.better));
      RLHF_ASSIGN_OR_RETURN(const std::string worse, ReadAnswer(pair.worse));
      const bool usable = !prompt.empty() && !better.empty() &&
                          !worse.empty() && better != worse;
      ++(usable ? counts.num_pairs : counts.num_pairs_left_out);
      if (usable) WritePair(prompt, better, worse);
    }
    counts.num_questions_used += counts.num_pairs > num_before ? 1 : 0;
    if (out_->good()) return absl::OkStatus();
    return absl::UnavailableError("writing the pairs failed");
  }

 private:
  absl::StatusOr<XmlRow> ReadPost(int64_t offset, int64_t id) {
    RLHF_RETURN_IF_ERROR(reader_->Seek(offset));
    RLHF_ASSIGN_OR_RETURN(std::optional<XmlRow> row, reader_->Next());
    if (row.has_value() && row->offset == offset) {
      RLHF_ASSIGN_OR_RETURN(const int64_t found, NumberOr0(*row, "Id"));
      if (found == id) return *std::move(row);
    }
    return absl::AbortedError(
        absl::StrCat("post ", id, " is no more at byte ", offset,
                     ": the file changed while it was read"));
  }

  absl::StatusOr<std::string> ReadAnswer(const Answer& answer) {
    RLHF_ASSIGN_OR_RETURN(const XmlRow row, ReadPost(answer.offset, answer.id));
    return HtmlToText(Text(row, "Body"));
  }

  void WritePair(const std::string& prompt, const std::string& better,
                 const std::string& worse) {
    if (!binarise_) return WriteLine(prompt, better, worse);
    WriteLine(prompt, absl::StrCat("GOOD:", better),
              absl::StrCat("BAD:", better));
    WriteLine(prompt, absl::StrCat("BAD:", worse),
              absl::StrCat("GOOD:", worse));
  }

  void WriteLine(const std::string& prompt, const std::string& chosen,
                 const std::string& rejected) {
    *out_ << DumpJson({{"prompt", prompt},
                       {"chosen", chosen},
                       {"rejected", rejected}})
          << '\n';
  }

  XmlRowReader* const reader_;
  const bool binarise_;
  std::ostream* const out_;
};

// Answers to one question lie together, in the order of the questions.
absl::Status WriteAll(const Index& index, const StackExchangeOptions& options,
                      PairWriter& writer, StackExchangeCounts& counts) {
  const std::vector<Answer>& answers = index.answers;
  size_t first = 0;
  for (const Question& question : index.questions) {
    for (; first < answers.size() && answers[first].question < question.id;
         ++first) {
      ++counts.num_orphans;
    }
    size_t last = first;
    while (last < answers.size() && answers[last].question == question.id) {
      ++last;
    }
    const auto of_question =
        absl::MakeSpan(answers).subspan(first, last - first);
    RLHF_RETURN_IF_ERROR(writer.Write(
        question,
        DrawPairs(question, of_question, options.max_pairs_per_question),
        counts));
    first = last;
  }
  counts.num_orphans += static_cast<int64_t>(answers.size() - first);
  return absl::OkStatus();
}

}  // namespace

int AnswerScore(int64_t votes, bool accepted) {
  if (votes < 0) return -1;
  const double score = std::log2(1.0 + static_cast<double>(votes));
  return static_cast<int>(std::lround(score)) + (accepted ? 1 : 0);
}

absl::StatusOr<StackExchangeCounts> ConvertStackExchange(
    std::istream& posts_xml, const StackExchangeOptions& options,
    std::ostream& pairs) {
  if (options.max_pairs_per_question < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_pairs_per_question is ",
                     options.max_pairs_per_question, "; wanted 1 or more"));
  }
  StackExchangeCounts counts;
  XmlRowReader reader(&posts_xml);
  RLHF_ASSIGN_OR_RETURN(const Index index, ReadIndex(reader, counts));
  PairWriter writer(&reader, options.binarise, &pairs);
  RLHF_RETURN_IF_ERROR(WriteAll(index, options, writer, counts));
  pairs.flush();
  if (!pairs.good()) return absl::UnavailableError("writing the pairs failed");
  return counts;
}

}  // namespace rlhf
