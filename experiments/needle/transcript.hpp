#pragma once
/// @file  What a model was asked and what it answered, for people to read and for other programs to ask again.

#include <fstream>
#include <string>

#include "tasks/needle/rows.hpp"
#include "tasks/recall/open_score.hpp"

namespace ringworld {

/// A file of JSON objects, one a line and a trial: `cell`, `context_length`, `depth`, `trial`, `prompt` (text), `tokens`
/// (that the model read), `expected` (texts), `answer` and `hits`. Lines are added to those that the file holds.
class Transcript {
 public:
  /// @throws Error(bad_input) naming the flag when the file cannot be written
  explicit Transcript(const std::string& path);

  /// Adds a line, which is on its way to disk when this returns.
  /// @throws Error(bad_input) naming the flag when the file cannot be written
  void add(const NeedleCellRow& cell, const std::string& name_of_cell, const OpenAnswer& answer,
           const Tokenizer& tokenizer);

 private:
  std::string path_;
  std::ofstream file_;
};

}  // namespace ringworld
