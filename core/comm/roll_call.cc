#include "core/comm/roll_call.h"

#include <algorithm>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/comm/local_address.h"
#include "core/comm/rank_store.h"

namespace rlhf {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(50);
constexpr char kHeard[] = "heard";

std::string KeyOf(int rank) { return absl::StrCat("note/", rank); }

absl::Status Missing(const C10dOptions& options, c10d::Store& store) {
  std::vector<std::string> missing;
  for (int rank = 0; rank < options.world_size; ++rank) {
    if (!store.check({KeyOf(rank)})) missing.push_back(absl::StrCat(rank));
  }
  return absl::UnavailableError(absl::StrCat(
      missing.size() == 1 ? "rank " : "ranks ", absl::StrJoin(missing, ", "),
      " of ", options.world_size, " did not come to ",
      WithPort(options.master_address, options.master_port), " within ",
      absl::FormatDuration(options.timeout)));
}

absl::StatusOr<std::vector<std::string>> Call(const C10dOptions& options,
                                              const std::string& note) {
  const absl::Time deadline = MonotonicNow() + options.timeout;
  // A store for one waits for nobody: rank 0 wants to see who comes.
  C10dOptions alone = options;
  alone.world_size = 1;
  RLHF_ASSIGN_OR_RETURN(const auto store, MakeRankStore(alone));
  store->set(KeyOf(options.rank), note);
  std::vector<std::string> keys, notes;
  for (int rank = 0; rank < options.world_size; ++rank) {
    keys.push_back(KeyOf(rank));
  }
  while (!store->check(keys)) {
    if (MonotonicNow() >= deadline) return Missing(options, *store);
    absl::SleepFor(kPause);
  }
  for (const std::string& key : keys) {
    notes.push_back(store->get_to_str(key));
  }
  // The store ends with rank 0, so that leaves last.
  store->add(kHeard, 1);
  while (options.rank == 0 && store->add(kHeard, 0) < options.world_size &&
         MonotonicNow() < deadline) {
    absl::SleepFor(kPause);
  }
  return notes;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> CallTheRoll(const C10dOptions& options,
                                                     const std::string& note) {
  try {
    return Call(options, note);
  } catch (const std::exception& error) {
    // The others have nobody but rank 0 to hear of one another.
    return absl::UnavailableError(
        absl::StrCat("rank ", options.rank, " of ", options.world_size,
                     " cannot reach rank 0 at ",
                     WithPort(options.master_address, options.master_port),
                     " within ", absl::FormatDuration(options.timeout), ": ",
                     absl::string_view(error.what()).substr(0, 200)));
  }
}

}  // namespace rlhf
