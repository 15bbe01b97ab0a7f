// How glibc's malloc behaves in a process that runs a model.
#pragma once

namespace rlhf {

// A forward and backward pass allocates and frees the same large blocks again
// and again. By default glibc gives them back to the kernel each time, which
// then clears every page anew: a tenth to a seventh of an update's time
// (docs/decisions/0010-malloc.md). This keeps freed memory in the process and
// asks for huge pages.
//
// glibc reads such settings only when a program starts, so this starts the
// program once more, with the same process id and arguments. Does nothing if
// the user set GLIBC_TUNABLES or `argv` names a verb that runs no model. Call
// it first.
void TuneMalloc(char** argv);

}  // namespace rlhf
