#include "core/text/bpe.h"

#include <queue>

namespace rlhf {
namespace {

struct Symbol {
  int32_t id;
  int32_t previous;
  int32_t next;  // -1 at the end
};

// A pair that may merge, if both symbols are still what they were.
struct Candidate {
  int32_t rank;
  int32_t position;
  int32_t left, right, merged;

  // The queue serves the lowest rank first, then the leftmost.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

}  // namespace

void BpeMerges::Add(int32_t left, int32_t right, int32_t merged) {
  merges_.insert_or_assign({left, right},
                           Merge{.rank = next_rank_++, .merged = merged});
}

void BpeMerges::Encode(absl::string_view word,
                       std::vector<int32_t>& ids) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (const char c : word) {
    if (byte_ids_[static_cast<unsigned char>(c)] < 0) continue;
    const auto i = static_cast<int32_t>(symbols.size());
    symbols.push_back({.id = byte_ids_[static_cast<unsigned char>(c)],
                       .previous = i - 1,
                       .next = i + 1});
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;
  std::priority_queue<Candidate> queue;
  const auto consider = [&](int32_t position) {
    if (position < 0 || symbols[position].next < 0) return;
    const int32_t left = symbols[position].id;
    const int32_t right = symbols[symbols[position].next].id;
    const auto it = merges_.find({left, right});
    if (it == merges_.end()) return;
    queue.push({.rank = it->second.rank,
                .position = position,
                .left = left,
                .right = right,
                .merged = it->second.merged});
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    consider(static_cast<int32_t>(i));
  }
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.position];
    if (left.id != best.left || left.next < 0 ||
        symbols[left.next].id != best.right) {
      continue;  // One of the two was merged away meanwhile.
    }
    Symbol& right = symbols[left.next];
    left.id = best.merged;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) symbols[left.next].previous = best.position;
    consider(left.previous);
    consider(best.position);
  }
  for (int32_t i = 0; i >= 0; i = symbols[i].next) ids.push_back(symbols[i].id);
}

}  // namespace rlhf
