// The rlhf command: dispatches to its verbs.
#include "cli/malloc_tuning.h"
#include "cli/verb.h"
#include "core/rpc/channel.h"

int main(int argc, char** argv) {
  rlhf::TuneMalloc(argv);
  rlhf::PrepareRpc();
  return rlhf::RunCommand({argv + 1, argv + argc});
}
