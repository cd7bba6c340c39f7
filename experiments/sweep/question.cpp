#include "experiments/sweep/question.hpp"

#include <filesystem>

#include "core/error.hpp"
#include "experiments/common/content_digest.hpp"
#include "experiments/needle/config.hpp"
#include "experiments/train/config.hpp"

namespace ringworld {
namespace {

/// Of words that may be names known to the program or files, the files.
std::vector<std::string> files_among(std::vector<std::string> words) {
  std::erase_if(words, [](const std::string& word) { return !std::filesystem::is_regular_file(word); });
  return words;
}

/// The files that a configuration is made of, and those that it names as inputs.
std::vector<std::string> files_read(const std::string& verb, const std::string& configuration) {
  if (configuration.empty()) {
    return {};
  }
  std::vector<std::string> files{configuration};
  std::vector<std::string> inputs;
  if (verb == "train") {
    const TrainOptions values = read_train_config(configuration);
    files = values.files;
    inputs = values.data.haystack;
    inputs.push_back(values.data.tokenizer);
  } else if (verb == "needle") {
    NeedleOptions values;
    Options options(verb, "");
    declare(options, values);
    static_cast<void>(options.parse({"--config", configuration}));
    inputs = values.haystack;
  }
  const std::vector<std::string> named = files_among(std::move(inputs));
  files.insert(files.end(), named.begin(), named.end());
  return files;
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
    // What is wrong with it is for the verb to say: the run becomes a row with that reason.
    texts.emplace_back(error.what());
    texts.push_back(read_file(configuration));
  }
  return content_digest(texts);
}

}  // namespace ringworld
