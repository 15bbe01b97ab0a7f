#include "core/base/bounded_queue.h"
