#include "experiments/tokenize/decode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/activity.hpp"
#include "core/error.hpp"
#include "core/spelling.hpp"
#include "experiments/common/media_output.hpp"
#include "experiments/tokenize/rows.hpp"
#include "io/record_file.hpp"
#include "io/tensor_file.hpp"
#include "tasks/vision/codes_file.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

constexpr int tag = 2;
/// LWM's example script writes its clips at this rate.
constexpr double default_rate = 4;

/// An item of the file of codes.
struct CodesItem {
  std::string name;
  std::int64_t frames = 0;
  std::vector<double> times;

  [[nodiscard]] std::string dataset() const { return fmt::format("{}/{}", codes_group, name); }

  /// Frames a second, from first to last.
  [[nodiscard]] double rate() const {
    const double length = times.empty() ? 0 : times.back() - times.front();
    return length > 0 ? static_cast<double>(times.size() - 1) / length : default_rate;
  }
};

void require_codes_of(const TensorReader& file, const FrameTokenizer& tokenizer) {
  const std::string name = fmt::format("'{}'", file.path().string());
  const auto digest = file.attribute(std::string(codes_digest_attribute));
  require_input(digest.has_value(),
                fmt::format("--decode: {} holds no codes (it has no attribute {}): give a file that "
                            "ringworld tokenize wrote",
                            name, codes_digest_attribute));
  const std::string made_by = as_text(*digest).value_or("");
  require_input(made_by == tokenizer.digest(),
                fmt::format("--decode: {} holds codes of another network: its digest is {}, that of --tokenizer {}",
                            name, made_by, tokenizer.digest()));
}

std::vector<CodesItem> items_of(const std::string& path) {
  const RecordFile record = RecordFile::stand_in(path);
  std::vector<CodesItem> items;
  for (const TokenizedItemRow& row : record.read<TokenizedItemRow>()) {
    items.push_back({.name = std::string(row.name.view()), .frames = row.frames, .times = {}});
  }
  for (const TokenizedFrameRow& row : record.read<TokenizedFrameRow>()) {
    require_input(row.item >= 0 && row.item < std::ssize(items),
                  fmt::format("--decode: '{}': a frame is of item {}, which is not there", path, row.item));
    items[static_cast<std::size_t>(row.item)].times.push_back(row.time);
  }
  return items;
}

std::vector<CodesItem> choose_items(std::vector<CodesItem> items, const DecodeOptions& options) {
  require_input(!items.empty(), fmt::format("--decode: '{}' holds no item", options.codes));
  std::vector<std::string_view> names;
  for (const CodesItem& item : items) {
    names.push_back(item.name);
  }
  if (!options.item.empty()) {
    const auto found = std::ranges::find(items, options.item, &CodesItem::name);
    if (found == items.end()) {
      throw_unknown_name(fmt::format("item of '{}' (--item)", options.codes), options.item, names);
    }
    return {*found};
  }
  require_input(items.size() == 1 || !is_one_file(options.output),
                fmt::format("--output {}: '{}' holds {} items; choose one with --item, or give a folder",
                            options.output, options.codes, items.size()));
  return items;
}

/// @param pixels  (side, side, 3) in [-1, 1]
using FrameSink = std::function<void(std::int64_t frame, std::span<const float> pixels)>;

/// Decodes an item's frames, a batch a rank and turn; the root's sink gets them in order.
void decode_item(const Communicator& world, const TensorReader& file, const CodesItem& item, std::int64_t batch,
                 FrameTokenizer& tokenizer, const FrameSink& sink) {
  const std::int64_t frame_size = tokenizer.frame_size();
  const std::int64_t codes_per_side = tokenizer.codes_per_side();
  const auto decode = [&](std::int64_t first, std::int64_t count) {
    std::vector<Token> codes(static_cast<std::size_t>(count * tokenizer.codes_per_frame()));
    file.read(item.dataset(), {.start = {first, 0, 0}, .count = {count, codes_per_side, codes_per_side}},
              std::span<std::int32_t>(codes));
    return tokenizer.decode(codes);
  };
  const auto count_of = [&](std::int64_t first) { return std::clamp<std::int64_t>(item.frames - first, 0, batch); };
  for (std::int64_t turn = 0; turn < item.frames; turn += batch * world.size()) {
    const Phase phase("decoding frame {} of {}", turn + 1, item.frames);
    std::vector<float> mine;
    on_every_rank(world, [&] {
      const std::int64_t first = turn + batch * world.rank();
      if (count_of(first) > 0) {
        mine = decode(first, count_of(first));
      }
    });
    if (!world.is_root() && !mine.empty()) {
      world.send(std::as_bytes(std::span(mine)), 0, tag);
    }
    on_root(world, [&] {
      for (int rank = 0; rank < world.size(); ++rank) {
        const std::int64_t first = turn + batch * rank;
        if (rank > 0) {
          mine.resize(static_cast<std::size_t>(frame_size * count_of(first)));
          if (!mine.empty()) {
            world.receive(std::as_writable_bytes(std::span(mine)), rank, tag);
          }
        }
        for (std::int64_t frame = 0; frame < count_of(first); ++frame) {
          const auto begin = static_cast<std::size_t>(frame * frame_size);
          sink(first + frame, std::span(mine).subspan(begin, static_cast<std::size_t>(frame_size)));
        }
      }
    });
  }
}

void make_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  require_input(!failed, fmt::format("--output: folder '{}' cannot be made: {}", folder.string(), failed.message()));
}

/// One frame: <folder>/<name>.png; more: <folder>/<name>/0000.png, 0001.png, ...
fs::path picture_path(const fs::path& folder, const CodesItem& item, std::int64_t frame) {
  return item.frames == 1 ? folder / (item.name + ".png") : folder / item.name / fmt::format("{:04}.png", frame);
}

void write_pictures(const Communicator& world, const TensorReader& file, const std::vector<CodesItem>& items,
                    const DecodeOptions& options, FrameTokenizer& tokenizer) {
  for (const CodesItem& item : items) {
    on_root(world, [&] { make_folder(picture_path(options.output, item, 0).parent_path()); });
    decode_item(world, file, item, options.batch, tokenizer, [&](std::int64_t frame, std::span<const float> pixels) {
      MediaOutput picture(picture_path(options.output, item, frame), "--output", tokenizer.frame_side(), 1, 0);
      picture.add(pixels);
      picture.publish();
    });
  }
}

void write_clip(const Communicator& world, const TensorReader& file, const CodesItem& item,
                const DecodeOptions& options, FrameTokenizer& tokenizer) {
  std::optional<MediaOutput> output;
  on_root(world, [&] {
    const double rate = options.frames_per_second > 0 ? options.frames_per_second : item.rate();
    output.emplace(options.output, "--output", tokenizer.frame_side(), item.frames, rate);
  });
  decode_item(world, file, item, options.batch, tokenizer,
              [&](std::int64_t /*frame*/, std::span<const float> pixels) { output->add(pixels); });
  on_root(world, [&] { output->publish(); });
}

}  // namespace

bool is_one_file(const std::string& output) {
  std::string suffix = fs::path(output).extension().string();
  std::ranges::transform(suffix, suffix.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return suffix == ".png" || suffix == ".gif" || suffix == ".mp4";
}

std::int64_t decode_codes(const Communicator& world, const DecodeOptions& options, FrameTokenizer& tokenizer) {
  std::unique_ptr<TensorReader> file;
  std::vector<CodesItem> items;
  on_every_rank(world, [&] {
    file = std::make_unique<TensorReader>(TensorReader::open(options.codes));
    require_codes_of(*file, tokenizer);
    items = choose_items(items_of(options.codes), options);
    for (const CodesItem& item : items) {
      const std::array shape{item.frames, tokenizer.codes_per_side(), tokenizer.codes_per_side()};
      file->require_shape(item.dataset(), shape);
    }
  });
  if (is_one_file(options.output)) {
    write_clip(world, *file, items.front(), options, tokenizer);
  } else {
    write_pictures(world, *file, items, options, tokenizer);
  }
  std::int64_t frames = 0;
  for (const CodesItem& item : items) {
    frames += item.frames;
  }
  return frames;
}

}  // namespace ringworld
