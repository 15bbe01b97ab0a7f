// How fast the preference store takes comparisons, durably: singly from many
// threads, and in batches; in a SQLite file and in PostgreSQL.
//
//   store_bench [SECONDS [THREADS]]
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "feedback/postgres_table.h"
#include "feedback/preference_store.h"
#include "feedback/test_comparisons.h"
#include "feedback/test_postgres.h"
#include "prometheus/registry.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

constexpr int kBatchSize = 2000;
constexpr int kNumBatches = 20;

// As long as people's prompts and a model's answers are: 2 kB in all.
v1::Comparison MakeOne(const std::string& id) {
  v1::Comparison comparison = MakeComparison(id);
  comparison.mutable_prompt()->mutable_messages(0)->set_content(
      std::string(400, 'p'));
  comparison.set_response_a(std::string(800, 'a'));
  comparison.set_response_b(std::string(800, 'b'));
  comparison.set_worker_id(id.substr(0, id.find('-')));
  return comparison;
}

double AtShare(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * (sorted.size() - 1))];
}

double PeakMegabytes() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024.0;
}

void BenchSingles(PreferenceStore& store, int num_threads, double seconds) {
  std::vector<std::vector<double>> latencies(num_threads);
  const Stopwatch watch;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < num_threads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; watch.seconds() < seconds; ++i) {
          const v1::Comparison one = MakeOne(absl::StrCat("w", thread, "-", i));
          const Stopwatch submission;
          RLHF_CHECK(store.Append(one).ok());
          latencies[thread].push_back(1000 * submission.seconds());
        }
      });
    }
  }
  const double elapsed = watch.seconds();
  std::vector<double> all;
  for (const auto& some : latencies) {
    all.insert(all.end(), some.begin(), some.end());
  }
  std::sort(all.begin(), all.end());
  std::printf(
      "  %d threads, singly: %.0f submissions/s; ms p50 %.1f, p99 %.1f, "
      "longest %.1f\n",
      num_threads, all.size() / elapsed, AtShare(all, 0.5), AtShare(all, 0.99),
      all.back());
}

void BenchBatches(PreferenceStore& store) {
  std::vector<std::vector<v1::Comparison>> batches(kNumBatches);
  for (int batch = 0; batch < kNumBatches; ++batch) {
    for (int i = 0; i < kBatchSize; ++i) {
      batches[batch].push_back(MakeOne(absl::StrCat("b", batch, "-", i)));
    }
  }
  const Stopwatch watch;
  for (const auto& batch : batches) RLHF_CHECK(store.AppendAll(batch).ok());
  std::printf("  batches of %d: %.0f comparisons/s\n", kBatchSize,
              kNumBatches * kBatchSize / watch.seconds());
}

void Bench(const char* name, PreferenceStore& store, int num_threads,
           double seconds) {
  std::printf("%s\n", name);
  BenchSingles(store, num_threads, seconds);
  BenchBatches(store);
  const Stopwatch watch;
  RLHF_CHECK(store.VerifyChain().ok());
  std::printf("  verified: %.0f comparisons/s; peak memory so far %.0f MB\n",
              store.GetStats().num_comparisons / watch.seconds(),
              PeakMegabytes());
}

int Main(int argc, char** argv) {
  double seconds = 10;
  int num_threads = 200;
  if ((argc > 1 && !absl::SimpleAtod(argv[1], &seconds)) ||
      (argc > 2 && !absl::SimpleAtoi(argv[2], &num_threads))) {
    std::fprintf(stderr, "store_bench [SECONDS [THREADS]]\n");
    return 1;
  }
  const RealClock clock;
  prometheus::Registry registry;
  FeedbackMetrics metrics(registry);
  {
    const TempDir folder;
    const auto store =
        PreferenceStore::Open(folder / "comparisons.db", &clock, &metrics);
    RLHF_CHECK(store.ok()) << store.status();
    Bench("SQLite", **store, num_threads, seconds);
  }
  if (!TestPostgres::IsInstalled()) {
    std::printf("PostgreSQL: not installed\n");
    return 0;
  }
  const auto server = TestPostgres::Start(/*sync=*/true);
  auto table = PostgresTable::Open(server->Url(), "bench", {});
  RLHF_CHECK(table.ok()) << table.status();
  const auto store =
      PreferenceStore::OpenTable(*std::move(table), &clock, &metrics);
  RLHF_CHECK(store.ok()) << store.status();
  Bench("PostgreSQL", **store, num_threads, seconds);
  return 0;
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) { return rlhf::Main(argc, argv); }
