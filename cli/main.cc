// The rlhf command: dispatches to its verbs.
#include "cli/malloc_tuning.h"
#include "cli/verb.h"

int main(int argc, char** argv) {
  rlhf::TuneMalloc(argv);
  return rlhf::RunCommand({argv + 1, argv + argc});
}
