#include "core/nn/packed_batch.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <numeric>

#include "core/base/check.h"

namespace rlhf {
namespace {

// Fewer tokens are not worth an attention call of their own.
constexpr int64_t kMinShared = 4;

using Sequences = absl::Span<const std::vector<int32_t>>;

// Lays the tree down, root first.
class TreeBuilder {
 public:
  TreeBuilder(Sequences sequences, PackedBatch& batch)
      : sequences_(sequences), batch_(batch) {}

  // `group` agrees on the first `agreed` tokens; `parent` holds the first
  // `position` of them. Adds the segments of the rest.
  void Add(const std::vector<size_t>& group, int64_t agreed, int64_t position,
           int64_t parent) {
    if (group.size() == 1) return Finish(group[0], position, parent);
    const int64_t common = CommonLength(group, agreed);
    if (common - position >= kMinShared) {
      parent = AddSegment(group[0], position, common, parent);
      position = common;
    }
    for (const std::vector<size_t>& part : SplitAt(group, common)) {
      if (Length(part[0]) == common) {
        for (const size_t s : part) Finish(s, position, parent);
      } else {
        Add(part, common + 1, position, parent);
      }
    }
  }

  const std::vector<int64_t>& tokens() const { return tokens_; }
  const std::vector<int64_t>& positions() const { return positions_; }

 private:
  int64_t Length(size_t sequence) const { return batch_.lengths[sequence]; }

  int64_t CommonLength(const std::vector<size_t>& group, int64_t agreed) const {
    const std::vector<int32_t>& first = sequences_[group[0]];
    auto common = static_cast<int64_t>(first.size());
    for (const size_t s : group) {
      const std::vector<int32_t>& other = sequences_[s];
      const auto end = first.begin() + std::min<int64_t>(common, Length(s));
      common =
          std::mismatch(first.begin() + agreed, end, other.begin() + agreed)
              .first -
          first.begin();
    }
    return common;
  }

  // By the token at `position`, in the order of first occurrence; those that
  // end there are one part.
  std::vector<std::vector<size_t>> SplitAt(const std::vector<size_t>& group,
                                           int64_t position) const {
    const auto token = [&](size_t s) {
      return Length(s) == position ? -1 : sequences_[s][position];
    };
    std::vector<std::vector<size_t>> parts;
    for (const size_t s : group) {
      const auto it = std::find_if(
          parts.begin(), parts.end(),
          [&](const auto& part) { return token(part[0]) == token(s); });
      (it == parts.end() ? parts.emplace_back() : *it).push_back(s);
    }
    return parts;
  }

  // The tokens of `sequence` from `position` to `end`.
  int64_t AddSegment(size_t sequence, int64_t position, int64_t end,
                     int64_t parent) {
    batch_.segments.push_back({.parent = parent,
                               .begin = static_cast<int64_t>(tokens_.size()),
                               .length = end - position,
                               .position = position});
    for (int64_t p = position; p < end; ++p) {
      tokens_.push_back(sequences_[sequence][p]);
      positions_.push_back(p);
    }
    return static_cast<int64_t>(batch_.segments.size()) - 1;
  }

  void Finish(size_t sequence, int64_t position, int64_t parent) {
    const int64_t length = Length(sequence);
    batch_.last_segments[sequence] =
        position == length ? parent
                           : AddSegment(sequence, position, length, parent);
  }

  const Sequences sequences_;
  PackedBatch& batch_;
  std::vector<int64_t> tokens_, positions_;
};

}  // namespace

int64_t PackedBatch::RowOf(size_t sequence, int64_t position) const {
  int64_t s = last_segments[sequence];
  while (segments[s].position > position) s = segments[s].parent;
  return segments[s].begin + position - segments[s].position;
}

std::vector<int64_t> PackedBatch::LastRows() const {
  std::vector<int64_t> rows;
  for (size_t s = 0; s < lengths.size(); ++s) {
    rows.push_back(RowOf(s, lengths[s] - 1));
  }
  return rows;
}

std::vector<int64_t> PackedBatch::PathOf(size_t sequence) const {
  std::vector<int64_t> path;
  for (int64_t s = last_segments[sequence]; s >= 0; s = segments[s].parent) {
    path.push_back(s);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

PackedBatch Pack(absl::Span<const std::vector<int32_t>> sequences,
                 at::Device device) {
  RLHF_CHECK(!sequences.empty());
  PackedBatch batch;
  for (const std::vector<int32_t>& sequence : sequences) {
    RLHF_CHECK(!sequence.empty());
    batch.lengths.push_back(static_cast<int64_t>(sequence.size()));
  }
  batch.last_segments.resize(sequences.size());
  std::vector<size_t> all(sequences.size());
  std::iota(all.begin(), all.end(), size_t{0});
  TreeBuilder tree(sequences, batch);
  tree.Add(all, /*agreed=*/0, /*position=*/0, /*parent=*/-1);
  const auto options = at::TensorOptions(at::kLong);
  batch.token_T = at::tensor(tree.tokens(), options).to(device);
  batch.position_T = at::tensor(tree.positions(), options).to(device);
  return batch;
}

}  // namespace rlhf
