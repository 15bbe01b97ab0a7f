#include "core/base/shutdown.h"
