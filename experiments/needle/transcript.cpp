#include "experiments/needle/transcript.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace ringworld {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

Transcript::Transcript(const std::string& path) : path_(path), file_(path, std::ios::app | std::ios::binary) {
  require_input(file_.is_open(), fmt::format("--transcript {}: the file cannot be written", path_));
}

void Transcript::add(const NeedleCellRow& cell, const std::string& name_of_cell, const OpenAnswer& answer,
                     const Tokenizer& tokenizer) {
  const Json line{{"cell", name_of_cell},
                  {"context_length", cell.context_length},
                  {"depth", std::isnan(cell.depth) ? Json() : Json(cell.depth)},
                  {"trial", answer.index},
                  {"prompt", tokenizer.decode(answer.trial.prompt)},
                  {"tokens", answer.trial.prompt},
                  {"expected", answer.trial.answers},
                  {"answer", answer.text},
                  {"hits", answer.hits}};
  // A token can be a part of a letter.
  file_ << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
  require_input(file_.good(), fmt::format("--transcript {}: the file cannot be written: is the disk full?", path_));
}

}  // namespace ringworld
