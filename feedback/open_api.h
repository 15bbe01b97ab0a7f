// The JSON API as an OpenAPI 3.0 document, made of the table of routes: tools
// read it to make clients and to search for faults.
#pragma once

#include <string>

namespace rlhf {

// What GET /api/openapi.json answers: every route under /api/, with its body
// where one is described, its parameters and who may use it.
std::string OpenApiJson();

}  // namespace rlhf
