#include "tokens/tokenizer_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.hpp"
#include "core/text_file.hpp"
#include "tokens/bpe/pipeline_tokenizer.hpp"
#include "tokens/bpe/word_patterns.hpp"
#include "tokens/file_text.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Most tokens of a vocabulary: an id beyond is a broken file, and must not take memory.
constexpr std::int64_t most_tokens = std::int64_t{1} << 24;

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorKind::bad_input, message); }

std::string type_of(const Json& component) { return component.at("type").get<std::string>(); }

[[noreturn]] void refuse_component(std::string_view place, const Json& component) {
  refuse(fmt::format("{} '{}' is not supported", place, type_of(component)));
}

bool is_given(const Json& object, std::string_view key) { return object.contains(key) && !object.at(key).is_null(); }

template <class T>
T value_or(const Json& object, std::string_view key, T otherwise) {
  return is_given(object, key) ? object.at(key).get<T>() : otherwise;
}

Token checked_token(const Json& id) {
  const auto token = id.get<std::int64_t>();
  require_input(token >= 0 && token < most_tokens,
                fmt::format("token id {} is outside 0 to {}", token, most_tokens - 1));
  return static_cast<Token>(token);
}

/// Calls `read` with the component, or with those of a sequence one by one.
template <class Read>
void for_each_component(const Json& component, std::string_view members, const Read& read) {
  if (component.is_null()) {
    return;
  }
  if (type_of(component) != "Sequence") {
    read(component);
    return;
  }
  for (const Json& part : component.at(members)) {
    for_each_component(part, members, read);
  }
}

/// {"String": ...} is taken as it stands, {"Regex": ...} as an expression.
struct Pattern {
  std::string text;
  bool is_regex = false;
};

Pattern pattern_of(const Json& component) {
  const Json& pattern = component.at("pattern");
  const bool is_regex = pattern.contains("Regex");
  Pattern result{.text = pattern.at(is_regex ? "Regex" : "String").get<std::string>(), .is_regex = is_regex};
  require_input(!result.text.empty(), fmt::format("the pattern of '{}' is empty", type_of(component)));
  return result;
}

UnicodeRegex regex_of(const Pattern& pattern) {
  if (pattern.is_regex) {
    return UnicodeRegex(pattern.text);
  }
  std::string escaped;
  for (const char letter : pattern.text) {
    if (std::string_view(R"(\^$.|?*+()[]{}#&-~)").find(letter) != std::string_view::npos) {
      escaped += '\\';
    }
    escaped += letter;
  }
  return UnicodeRegex(escaped);
}

std::string strip_white_space(const std::string& text, bool left, bool right) {
  static const UnicodeRegex at_start(R"(\A\s+)");
  static const UnicodeRegex at_end(R"(\s+\z)");
  const std::string rest = left ? replaced(text, at_start, "") : text;
  return right ? replaced(rest, at_end, "") : rest;
}

Normaliser normaliser_of(const Json& component) {
  const std::string type = type_of(component);
  for (const NormalForm form : {NormalForm::nfc, NormalForm::nfd, NormalForm::nfkc, NormalForm::nfkd}) {
    if (type == name_of(form)) {
      return [form](const std::string& text) { return normalised(text, form); };
    }
  }
  if (type == "Prepend") {
    return [prefix = component.at("prepend").get<std::string>()](std::string text) {
      return text.empty() ? text : prefix + text;
    };
  }
  if (type == "Replace") {
    const Pattern pattern = pattern_of(component);
    const auto content = component.at("content").get<std::string>();
    if (!pattern.is_regex) {
      return [pattern, content](const std::string& text) { return replaced(text, pattern.text, content); };
    }
    const auto regex = std::make_shared<UnicodeRegex>(pattern.text);
    return [regex, content](const std::string& text) { return replaced(text, *regex, content); };
  }
  if (type == "Strip") {
    const bool left = value_or(component, "strip_left", true);
    const bool right = value_or(component, "strip_right", true);
    return [left, right](const std::string& text) { return strip_white_space(text, left, right); };
  }
  refuse_component("normalizer", component);
}

Normaliser read_normaliser(const Json& component) {
  std::vector<Normaliser> steps;
  for_each_component(component, "normalizers", [&](const Json& part) { steps.push_back(normaliser_of(part)); });
  if (steps.empty()) {
    return {};
  }
  return [steps](std::string text) {
    for (const Normaliser& step : steps) {
      text = step(std::move(text));
    }
    return text;
  };
}

/// Files from before `prepend_scheme` say `add_prefix_space`.
PrependScheme prepend_scheme_of(const Json& component) {
  if (is_given(component, "prepend_scheme")) {
    return parse_enumerator<PrependScheme>(component.at("prepend_scheme").get<std::string>());
  }
  return value_or(component, "add_prefix_space", true) ? PrependScheme::always : PrependScheme::never;
}

std::string replacement_of(const Json& component) { return component.at("replacement").get<std::string>(); }

void add_splitters(const Json& component, std::vector<Splitter>& splitters) {
  const std::string type = type_of(component);
  if (type == "ByteLevel") {
    if (value_or(component, "add_prefix_space", true)) {
      splitters.push_back(prefix_space());
    }
    if (value_or(component, "use_regex", true)) {
      splitters.push_back(split_at(UnicodeRegex(gpt2_pattern), SplitBehaviour::isolated, false));
    }
    splitters.push_back(byte_letters());
  } else if (type == "Digits") {
    const bool is_single = value_or(component, "individual_digits", false);
    splitters.push_back(split_at(UnicodeRegex(is_single ? R"(\p{N})" : R"(\p{N}+)"), SplitBehaviour::isolated, false));
  } else if (type == "Metaspace") {
    splitters.push_back(
        metaspace(replacement_of(component), prepend_scheme_of(component), value_or(component, "split", true)));
  } else if (type == "Split") {
    const auto behaviour = parse_enumerator<SplitBehaviour>(component.at("behavior").get<std::string>());
    splitters.push_back(split_at(regex_of(pattern_of(component)), behaviour, value_or(component, "invert", false)));
  } else if (type == "WhitespaceSplit") {
    splitters.push_back(split_at(UnicodeRegex(R"(\s)"), SplitBehaviour::removed, false));
  } else {
    refuse_component("pre_tokenizer", component);
  }
}

void add_decoder(const Json& component, std::vector<Decoder>& decoders) {
  const std::string type = type_of(component);
  if (type == "ByteLevel") {
    decoders.push_back(decode_byte_level());
  } else if (type == "Metaspace") {
    decoders.push_back(decode_metaspace(replacement_of(component), prepend_scheme_of(component)));
  } else if (type == "ByteFallback") {
    decoders.push_back(decode_byte_fallback());
  } else if (type == "Fuse") {
    decoders.push_back(decode_fuse());
  } else if (type == "Strip") {
    decoders.push_back(decode_strip(component.at("content").get<std::string>(),
                                    component.at("start").get<std::int64_t>(),
                                    component.at("stop").get<std::int64_t>()));
  } else if (type == "Replace") {
    const Pattern pattern = pattern_of(component);
    if (pattern.is_regex) {
      refuse("decoder 'Replace' with a regular expression is not supported");
    }
    decoders.push_back(
        [pattern, content = component.at("content").get<std::string>()](std::vector<std::string> pieces) {
          for (std::string& piece : pieces) {
            piece = replaced(piece, pattern.text, content);
          }
          return pieces;
        });
  } else {
    refuse_component("decoder", component);
  }
}

void read_post_processor(const Json& component, PipelineParts& parts) {
  for_each_component(component, "processors", [&](const Json& part) {
    const std::string type = type_of(part);
    if (type == "ByteLevel") {
      return;  // it only moves offsets
    }
    if (type != "TemplateProcessing") {
      refuse_component("post_processor", part);
    }
    bool is_before = true;
    for (const Json& item : part.at("single")) {
      if (item.contains("Sequence")) {
        is_before = false;
        continue;
      }
      const std::string name = item.at("SpecialToken").at("id").get<std::string>();
      for (const Json& id : part.at("special_tokens").at(name).at("ids")) {
        (is_before ? parts.prefix : parts.suffix).push_back(checked_token(id));
      }
    }
  });
}

std::pair<std::string, std::string> merge_of(const Json& merge) {
  if (merge.is_array()) {
    require_input(merge.size() == 2, "a merge is of two pieces");
    return {merge.at(0).get<std::string>(), merge.at(1).get<std::string>()};
  }
  const auto text = merge.get<std::string>();
  const std::size_t space = text.find(' ');
  require_input(space != std::string::npos && text.find(' ', space + 1) == std::string::npos,
                fmt::format("merge '{}' is not two pieces with a space between them", text));
  return {text.substr(0, space), text.substr(space + 1)};
}

BytePairParts read_model(const Json& model) {
  // Old files have no type.
  if (is_given(model, "type") && type_of(model) != "BPE") {
    refuse_component("model", model);
  }
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    require_input(value_or(model, key, std::string()).empty(), fmt::format("model's '{}' is not supported", key));
  }
  require_input(value_or(model, "dropout", 0.0) == 0, "model's 'dropout' is not supported: it makes tokens random");
  BytePairParts parts;
  parts.vocabulary.reserve(model.at("vocab").size());
  for (const auto& [piece, id] : model.at("vocab").items()) {
    parts.vocabulary.emplace(piece, checked_token(id));
  }
  for (const Json& merge : model.at("merges")) {
    parts.merges.push_back(merge_of(merge));
  }
  if (is_given(model, "unk_token")) {
    parts.unknown = model.at("unk_token").get<std::string>();
  }
  parts.fuses_unknown = value_or(model, "fuse_unk", false);
  parts.has_byte_fallback = value_or(model, "byte_fallback", false);
  parts.keeps_whole_words = value_or(model, "ignore_merges", false);
  return parts;
}

std::vector<AddedToken> read_added_tokens(const Json& list) {
  std::vector<AddedToken> tokens;
  for (const Json& entry : list) {
    AddedToken token{.token = checked_token(entry.at("id")), .content = entry.at("content").get<std::string>()};
    require_input(!value_or(entry, "single_word", false),
                  fmt::format("added token '{}' is a 'single_word', which is not supported", token.content));
    token.is_special = value_or(entry, "special", false);
    token.is_normalised = value_or(entry, "normalized", !token.is_special);
    token.strips_left = value_or(entry, "lstrip", false);
    token.strips_right = value_or(entry, "rstrip", false);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

Json component_of(const Json& file, std::string_view key) { return is_given(file, key) ? file.at(key) : Json(); }

PipelineParts read_parts(const Json& file) {
  PipelineParts parts{.kind = "tokenizer_json", .own_text = {}};
  parts.normaliser = read_normaliser(component_of(file, "normalizer"));
  for_each_component(component_of(file, "pre_tokenizer"), "pretokenizers",
                     [&](const Json& part) { add_splitters(part, parts.splitters); });
  parts.model = read_model(file.at("model"));
  parts.added = read_added_tokens(component_of(file, "added_tokens"));
  read_post_processor(component_of(file, "post_processor"), parts);
  for_each_component(component_of(file, "decoder"), "decoders",
                     [&](const Json& part) { add_decoder(part, parts.decoders); });
  parts.joins_with_spaces = !is_given(file, "decoder");
  return parts;
}

/// The text of the token that ends documents, in tokenizer_config.json; empty where that says nothing.
std::string end_of_document(const std::string& configuration) {
  const Json file = configuration.empty() ? Json::object() : Json::parse(configuration);
  const Json end = component_of(file, "eos_token");
  return end.is_object()   ? end.at("content").get<std::string>()
         : end.is_string() ? end.get<std::string>()
                           : std::string();
}

}  // namespace

std::unique_ptr<Tokenizer> read_tokenizer_json(const fs::path& file) {
  const std::string content = read_binary_file(file);
  const fs::path beside = file.parent_path() / "tokenizer_config.json";
  const std::string configuration = fs::is_regular_file(beside) ? read_binary_file(beside) : std::string();
  try {
    PipelineParts parts = read_parts(Json::parse(content));
    parts.own_text = file_text(parts.kind, content + configuration, file);
    if (parts.suffix.empty()) {
      // Most post-processors put nothing behind a text, although the models were trained with a token there.
      const std::string end = end_of_document(configuration);
      const auto found = std::ranges::find(parts.added, end, &AddedToken::content);
      require_input(end.empty() || found != parts.added.end(),
                    fmt::format("eos_token '{}' of tokenizer_config.json is none of its added tokens", end));
      if (!end.empty()) {
        parts.suffix = {found->token};
      }
    }
    return make_pipeline_tokenizer(std::move(parts));
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::bad_input,
                fmt::format("'{}' is no tokenizer.json of Hugging Face's tokenizers: {}", file.string(), error.what()));
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("'{}': {}", file.string(), error.what()), error.where());
  }
}

std::unique_ptr<Tokenizer> restore_tokenizer_json(std::string_view text) {
  return restore_from_file("tokenizer_json", text, read_tokenizer_json);
}

}  // namespace ringworld
