#include "experiments/sweep/question.hpp"

#include <filesystem>

#include "core/error.hpp"
#include "experiments/common/configuration_files.hpp"
#include "experiments/common/content_digest.hpp"

namespace ringworld {
namespace {

/// Keeps the words that are existing files; other words may be names known to the program.
std::vector<std::string> files_among(std::vector<std::string> words) {
  std::erase_if(words, [](const std::string& word) { return !std::filesystem::is_regular_file(word); });
  return words;
}

/// The files that a configuration is made of, and those that it names as inputs.
std::vector<std::string> files_read(const std::string& verb, const std::string& configuration) {
  if (configuration.empty()) {
    return {};
  }
  if (verb == "train") {
    return files_among(files_of_train(configuration));
  }
  if (verb == "needle") {
    return files_among(files_of_needle(configuration));
  }
  return {configuration};
}

}  // namespace

std::string question_digest(const std::string& verb, const std::string& configuration,
                            const std::vector<std::string>& arguments, const std::string& earlier) {
  std::vector<std::string> texts{verb, earlier};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  try {
    for (const std::string& file : files_read(verb, configuration)) {
      texts.push_back(read_file(file));
    }
  } catch (const Error& error) {
    // The verb itself reports the error: the run becomes a row with that reason.
    texts.emplace_back(error.what());
    texts.push_back(read_file(configuration));
  }
  return content_digest(texts);
}

}  // namespace ringworld
