#include "tasks/vision/file_examples.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "core/text_file.hpp"
#include "data/frame_spread.hpp"
#include "tasks/vision/codes_file.hpp"
#include "tasks/vision/fields.hpp"
#include "tensors/json_text.hpp"

namespace ringworld {
namespace {

using Json = nlohmann::ordered_json;

/// Reads one line after the other.
class ExampleReader {
 public:
  ExampleReader(const FileExampleOptions& options, const VisionFormat& format, const std::string& digest)
      : options_(options), format_(format), codes_(options.path.parent_path(), digest) {}

  VisionExample read(const std::string& text, std::int64_t line) {
    const Json object = parse_json_object(text, "the example");
    const std::vector<std::string> lists = field_lists(object);
    const std::string& list = choose_fields(lists, line);
    const std::vector<ExampleField> fields = parse_fields(list);
    VisionDocument document;
    if (fields.front().names.front() != bos_field) {
      format_.append_bos(document);
    }
    Seen seen;
    for (const ExampleField& field : fields) {
      append(object, field, document, seen);
    }
    const std::vector<std::string>& last = fields.back().names;
    if (last.back() != eos_field) {
      format_.append_eos(document);
    }
    return {.kind = kind_of(seen), .document = std::move(document)};
  }

 private:
  /// What the fields held so far, in their order.
  struct Seen {
    std::int64_t frames = 0;
    bool predicts_frames = false;
    bool has_text_before_frames = false;
    bool has_text = false;
  };

  [[nodiscard]] std::vector<std::string> field_lists(const Json& object) const {
    const auto found = object.find("fields");
    if (found == object.end()) {
      require_input(!options_.fields.empty(), "it has no 'fields', and [stage.data] gives none");
      return {options_.fields};
    }
    if (found->is_string()) {
      return {found->get<std::string>()};
    }
    require_input(found->is_array() && !found->empty() &&
                      std::ranges::all_of(*found, [](const Json& list) { return list.is_string(); }),
                  "'fields' is no text, and no list of texts");
    return found->get<std::vector<std::string>>();
  }

  void append(const Json& object, const ExampleField& field, VisionDocument& document, Seen& seen) {
    std::string text;
    const auto flush = [&] {
      format_.append_text(document, text, field.is_target);
      text.clear();
    };
    for (const std::string& name : field.names) {
      if (name == bos_field || name == eos_field) {
        flush();
        name == bos_field ? format_.append_bos(document) : format_.append_eos(document, field.is_target);
        continue;
      }
      const auto value = object.find(name);
      require_input(value != object.end(), fmt::format("field '{}' is missing", name));
      if (value->is_string()) {
        text += text.empty() ? "" : " ";
        text += value->get<std::string>();
        seen.has_text = true;
        seen.has_text_before_frames |= seen.frames == 0;
        continue;
      }
      flush();
      const std::vector<Token> codes = codes_of(*value, name);
      format_.append_vision(document, codes, field.is_target);
      seen.frames += std::ssize(codes) / format_.codes_per_frame();
      seen.predicts_frames |= field.is_target;
    }
    flush();
  }

  [[nodiscard]] static VisionKind kind_of(const Seen& seen) {
    if (seen.frames == 0) {
      return VisionKind::text;
    }
    if (!seen.predicts_frames) {
      return seen.frames == 1 ? VisionKind::image_text : VisionKind::video_text;
    }
    if (seen.frames == 1) {
      return VisionKind::text_image;
    }
    return seen.has_text_before_frames ? VisionKind::text_video : VisionKind::video;
  }

  std::vector<Token> codes_of(const Json& value, const std::string& name) {
    std::vector<Token> codes;
    if (value.is_array()) {
      for (const Json& code : value) {
        require_input(code.is_number_integer(),
                      fmt::format("field '{}' holds '{}', which is no code", name, code.dump()));
        codes.push_back(checked_code(code));
      }
    } else {
      require_input(
          value.is_object() && value.contains("file") && value.contains("name") && value["file"].is_string() &&
              value["name"].is_string(),
          fmt::format("field '{}' is no text, no list of codes, and no {{\"file\": ..., \"name\": ...}}", name));
      codes = codes_.read(value["file"].get<std::string>(), value["name"].get<std::string>());
    }
    const std::int64_t per_frame = format_.codes_per_frame();
    require_input(!codes.empty() && std::ssize(codes) % per_frame == 0,
                  fmt::format("field '{}' has {} codes, which are no whole number of frames of {}", name, codes.size(),
                              per_frame));
    return some_frames(codes, per_frame);
  }

  [[nodiscard]] Token checked_code(const Json& code) const {
    const bool is_code = code.get<double>() >= 0 && code.get<double>() < static_cast<double>(format_.codebook_size());
    require_input(is_code, fmt::format("code {} is not in the codebook of {}: it is of another frame tokenizer",
                                       code.dump(), format_.codebook_size()));
    return code.get<Token>();
  }

  [[nodiscard]] std::vector<Token> some_frames(const std::vector<Token>& codes, std::int64_t per_frame) const {
    const std::int64_t frames = std::ssize(codes) / per_frame;
    if (options_.max_frames == 0 || frames <= options_.max_frames) {
      return codes;
    }
    std::vector<Token> some;
    for (const std::int64_t frame : spread_frames(frames, options_.max_frames)) {
      const auto begin = codes.begin() + frame * per_frame;
      some.insert(some.end(), begin, begin + per_frame);
    }
    return some;
  }

  const FileExampleOptions& options_;
  const VisionFormat& format_;
  CodesFiles codes_;
};

}  // namespace

std::vector<VisionKind> kinds_of_files() {
  return {VisionKind::image_text, VisionKind::text_image, VisionKind::video,
          VisionKind::text_video, VisionKind::video_text, VisionKind::text};
}

FileExamples::FileExamples(const FileExampleOptions& options, const VisionFormat& format, const std::string& digest)
    : path_(options.path) {
  const std::string what = fmt::format("'{}'", options.path.string());
  const std::string text = plain_text(read_binary_file(options.path.string()), what);
  ExampleReader reader(options, format, digest);
  std::int64_t line = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string one = text.substr(begin, end - begin);
    begin = end + 1;
    ++line;
    if (one.find_first_not_of(" \t\r") == std::string::npos) {
      continue;
    }
    try {
      examples_.push_back(reader.read(one, line));
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("{}, line {}: {}", what, line, error.what()), error.where());
    }
    lines_.push_back(line);
  }
  require_input(!examples_.empty(), fmt::format("{} has no example", what));
}

std::vector<std::int64_t> FileExamples::lengths() const {
  std::vector<std::int64_t> lengths;
  std::ranges::transform(examples_, std::back_inserter(lengths),
                         [](const VisionExample& example) { return std::ssize(example.document.tokens); });
  return lengths;
}

std::vector<VisionKind> FileExamples::kinds() const {
  std::vector<VisionKind> kinds;
  std::ranges::transform(examples_, std::back_inserter(kinds), &VisionExample::kind);
  return kinds;
}

std::string FileExamples::describe(std::int64_t number) const {
  return fmt::format("'{}', line {}", path_.string(), lines_[static_cast<std::size_t>(number)]);
}

VisionExample FileExamples::example(std::int64_t number, std::int64_t /*round*/) {
  return examples_[static_cast<std::size_t>(number)];
}
VisionExample FileExamples::outline(std::int64_t number, std::int64_t round) { return example(number, round); }
std::int64_t FileExamples::length(std::int64_t number, std::int64_t /*round*/) {
  return std::ssize(examples_[static_cast<std::size_t>(number)].document.tokens);
}

}  // namespace ringworld
