#include "core/nn/kv_cache.h"

#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/base/check.h"

namespace rlhf {

KvCache::KvCache(const ModelConfig& config, int64_t max_rows,
                 int64_t max_tokens, const at::TensorOptions& options)
    : max_rows_(max_rows),
      max_tokens_(max_tokens),
      dtype_(c10::typeMetaToScalarType(options.dtype())) {
  const std::vector<int64_t> shape = {max_rows, config.num_kv_heads, max_tokens,
                                      config.head_dim};
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    keys_.push_back(at::zeros(shape, options));
    values_.push_back(at::zeros(shape, options));
  }
}

int64_t KvCache::AddRow() {
  RLHF_CHECK(num_rows() < max_rows_) << num_rows();
  lengths_.push_back(0);
  return num_rows() - 1;
}

void KvCache::CopyRow(int64_t from, int64_t to, int64_t length) {
  for (auto* side : {&keys_, &values_}) {
    for (at::Tensor& cache : *side) {
      cache.select(0, to)
          .narrow(1, 0, length)
          .copy_(cache.select(0, from).narrow(1, 0, length));
    }
  }
  lengths_[to] = length;
}

void KvCache::ZeroRow(int64_t row, int64_t begin, int64_t end) {
  if (begin >= end) return;
  for (auto* side : {&keys_, &values_}) {
    for (at::Tensor& cache : *side) {
      cache.select(0, row).narrow(1, begin, end - begin).zero_();
    }
  }
}

void KvCache::Clear() {
  lengths_.clear();
  for (auto* side : {&keys_, &values_}) {
    for (at::Tensor& cache : *side) cache.zero_();
  }
}

void KvCache::CopyFrom(KvCache& other, int64_t from, int64_t to) {
  const int64_t length = other.lengths_[from];
  RLHF_CHECK(length <= max_tokens_) << length;
  const auto copy = [&](at::Tensor& target, const at::Tensor& source) {
    target.select(0, to)
        .narrow(1, 0, length)
        .copy_(source.select(0, from).narrow(1, 0, length));
  };
  for (size_t layer = 0; layer < keys_.size(); ++layer) {
    copy(keys_[layer], other.keys_[layer]);
    copy(values_[layer], other.values_[layer]);
  }
  lengths_[to] = length;
}

void KvCache::Reshape(int64_t max_rows, int64_t max_tokens) {
  RLHF_CHECK(num_rows() <= max_rows) << num_rows();
  int64_t longest = 0;
  for (const int64_t length : lengths_) longest = std::max(longest, length);
  RLHF_CHECK(longest <= max_tokens) << longest;
  // Should memory run out midway, no layer is taken for what it is not: the
  // next one who needs room cuts anew.
  max_rows_ = max_tokens_ = 0;
  // One layer after another, so that never two whole caches are in memory.
  for (auto* side : {&keys_, &values_}) {
    for (at::Tensor& cache : *side) {
      at::Tensor next =
          at::zeros({max_rows, cache.size(1), max_tokens, cache.size(3)},
                    cache.options());
      const auto used = [&](at::Tensor& whole) {
        return whole.narrow(0, 0, num_rows()).narrow(2, 0, longest);
      };
      used(next).copy_(used(cache));
      cache = next;
    }
  }
  max_rows_ = max_rows;
  max_tokens_ = max_tokens;
}

void KvCache::RemoveRow(int64_t row) {
  const int64_t last = num_rows() - 1;
  RLHF_CHECK(row >= 0 && row <= last) << row;
  const int64_t old_length = lengths_[row];
  const int64_t last_length = lengths_[last];
  if (row != last) {
    CopyRow(last, row, last_length);
    ZeroRow(row, last_length, old_length);
  }
  ZeroRow(last, 0, last_length);
  lengths_.pop_back();
}

}  // namespace rlhf
