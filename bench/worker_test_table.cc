// Prints the operating characteristic of the workers' test as a Markdown table:
//
//   worker_test_table [GOOD_ACCURACY BAD_ACCURACY FALSE_PAUSE FALSE_STAY]
//
// The numbers are exact; docs/workers.md shows those of the defaults.
#include <cstdio>
#include <cstdlib>

#include "feedback/workers/worker_test.h"

int main(int argc, char** argv) {
  rlhf::v1::WorkerTestConfig config;
  if (argc == 5) {
    config.set_good_accuracy(std::atof(argv[1]));
    config.set_bad_accuracy(std::atof(argv[2]));
    config.set_false_pause(std::atof(argv[3]));
    config.set_false_stay(std::atof(argv[4]));
  } else if (argc != 1) {
    std::fprintf(stderr, "wanted no argument or four\n");
    return 2;
  }
  const auto rule = rlhf::MakeWorkerTestRule(config);
  if (!rule.ok()) {
    std::fprintf(stderr, "%s\n", rule.status().ToString().c_str());
    return 1;
  }
  std::printf("wrong +%d, right -%d, paused at %d, good at %d, lowest %d\n\n",
              rule->wrong_points, rule->right_points, rule->pause_at,
              rule->good_at, rule->lowest);
  std::printf(
      "| accuracy | first found good | answers to the first verdict | paused "
      "within %d | answers until paused |\n|---|---|---|---|---|\n",
      rlhf::kWatchedGoldAnswers);
  for (const double accuracy :
       {0.375, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95}) {
    const auto row = rlhf::OperatingCharacteristicOf(*rule, accuracy);
    std::printf("| %.1f %% | %.1f %% | %.1f | %.2f %% | %s%.1f |\n",
                100 * accuracy, 100 * row.first_good_share,
                row.answers_to_first, 100 * row.paused_share,
                row.answers_to_pause > 1000 ? "> " : "",
                row.answers_to_pause > 1000 ? 1000.0 : row.answers_to_pause);
  }
  return 0;
}
