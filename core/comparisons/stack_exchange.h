// Ranked pairs of answers from a Stack Exchange data dump, to pre-train a
// preference model on (Askell et al. 2021, arXiv:2112.00861, C.1; Bai et al.
// 2022, A.2).
//
// Read is Posts.xml, unpacked: <row …/> elements with Id, PostTypeId (1
// question, 2 answer; others are passed over), of a question Title, Body and,
// if there is one, AcceptedAnswerId, of an answer ParentId, Score and Body.
// Bodies are HTML and become plain text (html_text.h). The prompt is the title,
// an empty line and the question's text.
//
// An answer's score is AnswerScore of its votes; two answers of one question
// with different scores are a pair. (The dump gives up-votes less down-votes.)
#pragma once

#include <cstdint>
#include <istream>
#include <ostream>

#include "absl/status/statusor.h"

namespace rlhf {

struct StackExchangeOptions {
  // Most pairs of one question, 1 or more, so that few questions with many
  // answers do not make up most of the data. Which ones they are is decided by
  // a hash of the answers' ids, the same way every time.
  int64_t max_pairs_per_question = 4;

  // Writes for each pair A better than B two lines instead of one: "GOOD:A"
  // better than "BAD:A", and "BAD:B" better than "GOOD:B". A model pre-trained
  // on these is better fine-tuned than one that was trained on ranked pairs
  // (Askell et al. 2021, 4.1).
  bool binarise = false;
};

struct StackExchangeCounts {
  int64_t num_questions = 0;
  int64_t num_answers = 0;
  int64_t num_other_posts = 0;
  // Answers to questions that are not in the file.
  int64_t num_orphans = 0;
  // Questions that gave at least one pair.
  int64_t num_questions_used = 0;
  // Pairs of different score that were drawn but have an empty text or twice
  // the same.
  int64_t num_pairs_left_out = 0;
  // Pairs written; with `binarise` each is two lines.
  int64_t num_pairs = 0;
};

// log2(1 + votes) rounded to the nearest whole number, plus 1 if the answer was
// accepted; -1 for negative votes, accepted or not (Askell et al. 2021, C.1).
int AnswerScore(int64_t votes, bool accepted);

// Writes the pairs to `pairs`, a line {"prompt", "chosen", "rejected"} each, as
// ParseComparisons reads them. Questions come in order of their ids.
//
// Goes through `posts_xml` once for an index, and then reads the posts that are
// needed again. Memory: 24 bytes for each question and 32 for each answer, up
// to twice that while the index grows, and the posts of one question; about 2
// GB for Stack Overflow, whose file has 100 GB. A question of more than 64
// answers takes part with 64 of them.
//
// Errors:
//   InvalidArgument  not a Posts.xml (the byte and the problem are named), no
//                    post in it, a post twice, a stream that cannot be read
//                    twice, max_pairs_per_question below 1
//   Aborted          the file changed while it was read
//   Unavailable      reading or writing failed
absl::StatusOr<StackExchangeCounts> ConvertStackExchange(
    std::istream& posts_xml, const StackExchangeOptions& options,
    std::ostream& pairs);

}  // namespace rlhf
