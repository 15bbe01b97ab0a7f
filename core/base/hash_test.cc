#include "core/base/hash.h"
