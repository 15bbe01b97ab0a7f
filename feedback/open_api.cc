#include "feedback/open_api.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/check.h"
#include "core/base/json.h"
#include "feedback/routes.h"

namespace rlhf {
namespace {

// JSON Schemas of bodies; one that is not here is any object.
struct BodySchema {
  const char* path;
  const char* schema;
};
constexpr char kDecision[] = R"({"required": ["reason"], "properties": {
        "by": {"type": "string"},
        "reason": {"type": "string", "minLength": 1}}})";
constexpr BodySchema kBodies[] = {
    {"/api/login", R"({"required": ["name", "password"], "properties": {
        "name": {"type": "string"}, "password": {"type": "string"}}})"},
    {"/api/join", R"({"required": ["token", "name", "password"], "properties": {
        "token": {"type": "string"},
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "password": {"type": "string", "minLength": 10, "maxLength": 256}}})"},
    {"/api/batches/{id}/release", kDecision},
    {"/api/batches/{id}/refuse", kDecision},
    {"/api/invitations", R"({"required": ["role"], "properties": {
        "role": {"type": "string", "enum": ["worker", "requester", "admin"]},
        "name": {"type": "string", "maxLength": 40},
        "hours": {"type": "number", "minimum": 0.01, "maximum": 720}}})"},
    {"/api/task", R"({"required": ["worker_id"], "properties": {
        "worker_id": {"type": "string", "minLength": 1, "maxLength": 64}}})"},
    {"/api/comparison", R"({"required": ["task_id", "comparison_id",
                                         "worker_id", "choice"],
        "properties": {
        "task_id": {"type": "string", "minLength": 1, "maxLength": 64},
        "comparison_id": {"type": "string", "minLength": 1, "maxLength": 64},
        "worker_id": {"type": "string", "minLength": 1, "maxLength": 64},
        "choice": {"type": "string", "enum": ["left_better", "right_better",
                   "tie", "both_bad", "skip"]},
        "strength": {"type": "integer", "minimum": 0, "maximum": 3},
        "seconds": {"type": "number", "minimum": 0, "maximum": 1000000},
        "skip_reason": {"type": "string", "maxLength": 1000},
        "source": {"type": "string", "enum": ["page", "crowd"]},
        "interface_version": {"type": "string", "minLength": 1,
                              "maxLength": 64},
        "comment": {"type": "string", "maxLength": 2000},
        "flagged": {"type": "boolean"},
        "edited_response": {"type": "string", "maxLength": 65536}}})"},
    {"/api/continue", R"({"required": ["task_id", "worker_id", "chosen",
                                       "message"],
        "properties": {
        "task_id": {"type": "string", "minLength": 1, "maxLength": 64},
        "worker_id": {"type": "string", "minLength": 1, "maxLength": 64},
        "comparison_id": {"type": "string", "minLength": 1, "maxLength": 64},
        "chosen": {"type": "string", "enum": ["left", "right"]},
        "message": {"type": "string", "minLength": 1, "maxLength": 4000}}})"},
    {"/api/workers/pause", R"({"required": ["worker_id", "paused"],
        "properties": {
        "worker_id": {"type": "string", "minLength": 1, "maxLength": 64},
        "paused": {"type": "boolean"},
        "by": {"type": "string", "maxLength": 1000},
        "reason": {"type": "string", "maxLength": 1000}}})"},
};

Json BodyOf(const Route& route) {
  const absl::string_view type = route.content_type;
  if (type != "application/json") {
    const Json text = {{"schema", {{"type", "string"}}}};
    Json content = {{route.content_type, text}};
    for (const absl::string_view other :
         absl::StrSplit(route.other_content_types, ' ', absl::SkipEmpty())) {
      content[std::string(other)] = text;
    }
    return {{"required", true}, {"content", std::move(content)}};
  }
  Json schema = Json::object();
  for (const BodySchema& body : kBodies) {
    if (absl::string_view(body.path) != route.path) continue;
    absl::StatusOr<Json> parsed = ParseJson(body.schema);
    RLHF_CHECK(parsed.ok());
    schema = *std::move(parsed);
  }
  schema["type"] = "object";
  return {{"required", true},
          {"content", {{route.content_type, {{"schema", std::move(schema)}}}}}};
}

Json Parameter(const char* name, const char* where) {
  return {{"name", name},
          {"in", where},
          {"required", absl::string_view(where) == "path"},
          {"schema", {{"type", "string"}}}};
}

Json ParametersOf(const Route& route) {
  const absl::string_view path = route.path;
  Json parameters = Json::array();
  if (absl::StrContains(path, "{id}")) {
    parameters.push_back(Parameter("id", "path"));
  }
  if (path == "/api/stats") {
    parameters.push_back(Parameter("worker_id", "query"));
  }
  if (path == "/api/comparisons") {
    parameters.push_back(Parameter("last", "query"));
  }
  if (path == "/api/export") {
    parameters.push_back(Parameter("format", "query"));
    parameters.push_back(Parameter("first", "query"));
  }
  if (path == "/api/batches") {
    parameters.push_back(Parameter("limit", "query"));
    parameters.push_back(Parameter("before", "query"));
  }
  if (path == "/api/import") {
    parameters.push_back(Parameter("source", "query"));
    parameters.push_back(Parameter("dry_run", "query"));
  }
  return parameters;
}

Json OperationOf(const Route& route) {
  Json operation = {
      {"summary", route.summary},
      {"description", absl::StrCat("For: ", std::string(WhoName(route.who)))},
      {"responses",
       {{"200", {{"description", "done"}}},
        {"default", {{"description", "{\"error\": what went wrong}"}}}}}};
  if (const Json parameters = ParametersOf(route); !parameters.empty()) {
    operation["parameters"] = parameters;
  }
  if (*route.content_type != '\0') operation["requestBody"] = BodyOf(route);
  if (route.who != Who::kAnyone) {
    operation["security"] =
        Json::array({{{"session", Json::array()}}, {{"token", Json::array()}}});
  }
  return operation;
}

}  // namespace

std::string OpenApiJson() {
  Json paths = Json::object();
  for (const Route& route : AllRoutes()) {
    if (!absl::StartsWith(route.path, "/api/")) continue;
    paths[route.path][absl::AsciiStrToLower(route.method)] = OperationOf(route);
  }
  const Json schemes = {
      {"session", {{"type", "apiKey"}, {"in", "cookie"}, {"name", "rlhf"}}},
      {"token", {{"type", "http"}, {"scheme", "bearer"}}}};
  return DumpJson({{"openapi", "3.0.3"},
                   {"info", {{"title", "rlhf feedback"}, {"version", "1"}}},
                   {"paths", std::move(paths)},
                   {"components", {{"securitySchemes", schemes}}}});
}

}  // namespace rlhf
