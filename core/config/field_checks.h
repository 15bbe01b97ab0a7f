// Checks and comparisons that walk a message field by field. A field is named
// by its path from the top: "ppo.discount", "crowd.workers[2].accuracy".
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <map>
#include <string>
#include <vector>

namespace rlhf {

struct FieldProblem {
  std::string path;
  // To be read after the path: "is 2; wanted at least 0 and at most 1".
  std::string message;
};

// Every value outside its `range`, every `required_by_user` field without a
// value, every address that its option does not let be
// (proto/rlhf/v1/options.proto), in a run with certificates (`has_tls`) or
// without.
std::vector<FieldProblem> CheckFields(const google::protobuf::Message& message,
                                      bool has_tls);

// Field path to "LINE:COLUMN" of every field that the parser saw, from 1.
std::map<std::string, std::string> FieldPlaces(
    const google::protobuf::Message& message,
    const google::protobuf::TextFormat::ParseInfoTree& tree);

// The lines "path: old -> new" for the fields in which two messages of one type
// differ.
std::vector<std::string> CompareFields(const google::protobuf::Message& a,
                                       const google::protobuf::Message& b);

// What to say about a field that `type` does not have: the nearest one it has,
// or else all of them.
std::string UnknownField(const google::protobuf::Descriptor& type,
                         const std::string& name);

}  // namespace rlhf
