#include "trainer/rank_agreement.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// xxh3 of each tensor's bytes.
std::vector<uint64_t> HashTensors(const NamedTensors& tensors) {
  std::vector<uint64_t> hashes;
  for (const NamedTensor& t : tensors) {
    const at::Tensor bytes = t.tensor.detach().to(at::kCPU).contiguous();
    hashes.push_back(
        Xxh3(absl::string_view(static_cast<const char*>(bytes.const_data_ptr()),
                               static_cast<size_t>(bytes.nbytes()))));
  }
  return hashes;
}

// The ranks whose hash of tensor `i` is not the most frequent one.
std::vector<size_t> Outvoted(const std::vector<std::vector<uint64_t>>& hashes,
                             size_t i) {
  std::map<uint64_t, size_t> votes;
  for (const std::vector<uint64_t>& of_rank : hashes) ++votes[of_rank[i]];
  uint64_t winner = hashes[0][i];
  for (const auto& [hash, count] : votes) {
    if (count > votes[winner]) winner = hash;
  }
  std::vector<size_t> ranks;
  for (size_t rank = 0; rank < hashes.size(); ++rank) {
    if (hashes[rank][i] != winner) ranks.push_back(rank);
  }
  return ranks;
}

}  // namespace

absl::Status CheckAgreement(const std::vector<std::string>& names,
                            const std::vector<std::vector<uint64_t>>& hashes) {
  int64_t num_different = 0;
  std::string first;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::vector<size_t> ranks = Outvoted(hashes, i);
    if (ranks.empty()) continue;
    ++num_different;
    if (!first.empty()) continue;
    first =
        absl::StrCat("rank ", absl::StrJoin(ranks, ", "), " of ", hashes.size(),
                     " holds another \"", names[i], "\" than the others");
  }
  if (num_different == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(first, "; ", num_different, " of ",
                                          names.size(), " tensors differ"));
}

absl::Status CompareRanks(Communicator& communicator,
                          const NamedTensors& tensors) {
  if (communicator.world_size() == 1) return absl::OkStatus();
  const std::vector<uint64_t> own = HashTensors(tensors);
  const auto count = static_cast<int64_t>(own.size());
  // A sum with zeros brings every rank's row to all.
  const at::Tensor table_RT =
      at::zeros({communicator.world_size(), count}, at::kLong);
  auto* const cells = static_cast<int64_t*>(table_RT.data_ptr());
  std::copy(own.begin(), own.end(), cells + communicator.rank() * count);
  RLHF_RETURN_IF_ERROR(communicator.AllReduceSum({table_RT}));
  std::vector<std::vector<uint64_t>> hashes;
  for (int rank = 0; rank < communicator.world_size(); ++rank) {
    hashes.emplace_back(cells + rank * count, cells + (rank + 1) * count);
  }
  std::vector<std::string> names;
  for (const NamedTensor& t : tensors) names.push_back(t.name);
  return CheckAgreement(names, hashes);
}

}  // namespace rlhf
