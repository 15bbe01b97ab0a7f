#include "core/comparisons/argilla_responses.h"

#include <cstddef>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/status_macros.h"
#include "core/comparisons/judgement_key.h"

namespace rlhf {
namespace {

constexpr absl::string_view kColumn = ".responses";

absl::Status WrongType(absl::string_view what, absl::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", what, "\" must be ", wanted));
}

absl::StatusOr<std::string> StatusText(const Json& status) {
  if (status.is_null()) return std::string();
  if (status.is_string()) return status.get<std::string>();
  return WrongType("status", "a string");
}

// Brings the values of one person together.
class ByUser {
 public:
  void Add(const std::string& user, const std::string& status,
           ArgillaResponse::Value value) {
    size_t& number = number_of_user_[user];
    if (number == 0 || user.empty()) {
      responses_.push_back({.user = user});
      number = responses_.size();
    }
    ArgillaResponse& response = responses_[number - 1];
    if (!status.empty()) response.status = status;
    response.values.push_back(std::move(value));
  }

  std::vector<ArgillaResponse> Take() && { return std::move(responses_); }

 private:
  std::map<std::string, size_t> number_of_user_;  // from 1
  std::vector<ArgillaResponse> responses_;
};

// {QUESTION: [{"value", "user_id"}, …]}
absl::StatusOr<std::vector<ArgillaResponse>> FromQuestions(
    const Json& questions) {
  ByUser by_user;
  for (const auto& [question, answers] : questions.items()) {
    if (answers.is_null()) continue;
    if (!answers.is_array()) return WrongType(question, "a list of responses");
    for (const Json& answer : answers) {
      if (!answer.is_object() || !answer.contains("value")) {
        return WrongType(question, "a list of {\"value\", \"user_id\"}");
      }
      RLHF_ASSIGN_OR_RETURN(
          const std::string user,
          ArgillaId(ArgillaMember(answer, "user_id"), "user_id"));
      RLHF_ASSIGN_OR_RETURN(const std::string status,
                            StatusText(ArgillaMember(answer, "status")));
      by_user.Add(user, status, {question, answer.at("value")});
    }
  }
  return std::move(by_user).Take();
}

// {"user_id", "values": {QUESTION: {"value"}}, "status", "updated_at"}
absl::StatusOr<ArgillaResponse> FromPerson(const Json& person) {
  if (!person.is_object()) {
    return WrongType("responses", "a list of {\"values\", \"user_id\"}");
  }
  ArgillaResponse response;
  RLHF_ASSIGN_OR_RETURN(response.user,
                        ArgillaId(ArgillaMember(person, "user_id"), "user_id"));
  RLHF_ASSIGN_OR_RETURN(response.status,
                        StatusText(ArgillaMember(person, "status")));
  response.updated_unix_ms = JudgedUnixMs(person, "updated_at");
  const Json& values = ArgillaMember(person, "values");
  if (values.is_null()) return response;
  if (!values.is_object()) return WrongType("values", "an object of questions");
  for (const auto& [question, answer] : values.items()) {
    if (!answer.is_object() || !answer.contains("value")) {
      return WrongType(question, "an object with \"value\"");
    }
    response.values.push_back({question, answer.at("value")});
  }
  return response;
}

absl::StatusOr<std::vector<ArgillaResponse>> FromPeople(const Json& people) {
  std::vector<ArgillaResponse> responses;
  for (const Json& person : people) {
    RLHF_ASSIGN_OR_RETURN(ArgillaResponse response, FromPerson(person));
    responses.push_back(std::move(response));
  }
  return responses;
}

// Adds the column "QUESTION.responses" with those of its users and statuses.
absl::Status AddColumn(const Json& record, const std::string& column,
                       const Json& values, ByUser& by_user) {
  const Json& users = ArgillaMember(record, absl::StrCat(column, ".users"));
  const Json& statuses = ArgillaMember(record, absl::StrCat(column, ".status"));
  for (const Json* const other : {&users, &statuses}) {
    if (other->is_null()) continue;
    if (!other->is_array() || other->size() != values.size()) {
      return WrongType(column, "as long as its .users and .status");
    }
  }
  const std::string question(absl::StripSuffix(column, kColumn));
  for (size_t i = 0; i < values.size(); ++i) {
    std::string user, status;
    if (!users.is_null()) {
      RLHF_ASSIGN_OR_RETURN(user, ArgillaId(users[i], "users"));
    }
    if (!statuses.is_null()) {
      RLHF_ASSIGN_OR_RETURN(status, StatusText(statuses[i]));
    }
    by_user.Add(user, status, {question, values[i]});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ArgillaResponse>> FromColumns(const Json& record) {
  ByUser by_user;
  for (const auto& [column, values] : record.items()) {
    if (!absl::EndsWith(column, kColumn) || values.is_null()) continue;
    if (!values.is_array()) return WrongType(column, "a list");
    RLHF_RETURN_IF_ERROR(AddColumn(record, column, values, by_user));
  }
  return std::move(by_user).Take();
}

}  // namespace

bool IsArgillaRecord(const Json& json) {
  if (!json.is_object()) return false;
  if (json.contains("fields") && json.contains("responses")) return true;
  for (const auto& [key, value] : json.items()) {
    if (absl::EndsWith(key, kColumn)) return true;
  }
  return false;
}

absl::StatusOr<std::vector<ArgillaResponse>> FindArgillaResponses(
    const Json& record) {
  if (!record.contains("fields")) return FromColumns(record);
  const Json& responses = ArgillaMember(record, "responses");
  if (responses.is_null()) return std::vector<ArgillaResponse>();
  if (responses.is_object()) return FromQuestions(responses);
  if (responses.is_array()) return FromPeople(responses);
  return WrongType("responses", "an object of questions or a list");
}

const Json& ArgillaMember(const Json& object, const std::string& key) {
  static const Json kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

absl::StatusOr<std::string> ArgillaId(const Json& id, absl::string_view what) {
  if (id.is_null() || id == Json("None")) return std::string();
  if (id.is_string()) return id.get<std::string>();
  if (id.is_number_integer()) return DumpJson(id);
  return WrongType(what, "a string");
}

}  // namespace rlhf
