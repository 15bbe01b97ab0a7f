// The rlhf command: dispatches to its verbs.
#include "cli/verb.h"
#include "core/base/shutdown.h"

int main(int argc, char** argv) {
  rlhf::InstallShutdownHandler();
  return rlhf::RunCommand({argv + 1, argv + argc});
}
