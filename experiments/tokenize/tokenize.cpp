/// @file  `ringworld tokenize`: pictures and videos to codes, and codes to pictures and videos.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "comm/stop_agreement.hpp"
#include "core/activity.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/progress.hpp"
#include "experiments/common/run_flags.hpp"
#include "experiments/common/run_record.hpp"
#include "experiments/tokenize/decode.hpp"
#include "experiments/tokenize/item_list.hpp"
#include "experiments/tokenize/item_tokens.hpp"
#include "experiments/tokenize/rows.hpp"
#include "io/console_table.hpp"
#include "io/tensor_file.hpp"
#include "media/resize.hpp"
#include "tasks/vision/codes_file.hpp"
#include "vqgan/vqgan.hpp"

namespace ringworld {
namespace {

struct TokenizeOptions : RunFlags {
  TokenizeOptions() { output = "ringworld-tokenize.h5"; }

  std::vector<std::string> input;
  std::string tokenizer;
  std::int64_t frames = 0;
  double fps = 0;
  FolderMeaning folders = FolderMeaning::clip;
  double folder_fps = 1;
  std::int64_t psnr_frames = 8;
  std::int64_t batch = 4;
  std::string decode;
  std::string item;
};

constexpr const char* description =
    "Turns pictures (PNG, JPEG, GIF), videos and folders of frames into codes of a VQGAN, which models of vision are "
    "trained\n"
    "on; with --decode, codes into pictures or clips. Frames: shorter side to the network's, then the square in the "
    "middle.\n"
    "Writes codes/<name> (frames, side, side) an item, rows in /tokenize/items and /tokenize/frames. Items are shared "
    "out\n"
    "between ranks.";

/// Items are small next to a commit of the file, which is written whole.
constexpr double seconds_between_commits = 2;
constexpr int codes_tag = 1;

void declare(Options& options, TokenizeOptions& values) {
  options.add("input", values.input, "", "pictures, videos, and folders of frames, which are taken in natural order");
  options.add("tokenizer", values.tokenizer, "",
              "the network: HDF5 file that `ringworld train` wrote, or safetensors in the shape of diffusers' VQModel");
  options.add("frames", values.frames, "frame",
              "most frames of an item, spread uniformly from the first to the last; 0: all");
  options.add("fps", values.fps, "frame/s",
              "take frames of an item at this rate, by their times; 0: all. With --decode: rate of the GIF or MP4");
  options.add("folders", values.folders, "", "a folder is one clip of frames, or each of its files an item");
  options.add("folder-fps", values.folder_fps, "frame/s", "rate of a folder of frames, whose files have no times");
  options.add("psnr-frames", values.psnr_frames, "frame",
              "frames of an item that are decoded again and compared, spread uniformly; -1: all");
  options.add("batch", values.batch, "frame", "frames that the network sees at a time");
  options.add("decode", values.decode, "", "file of codes, to be turned into pictures, in place of --input");
  options.add("item", values.item, "", "with --decode: name of the one item to turn into pictures; empty: all");
  options.add(
      "output", values.output, "",
      "HDF5 file of codes; an existing one is renamed, unless --resume goes on with it. With --decode: a folder "
      "for PNG files, or one file *.png, *.gif or *.mp4");
  declare(options, values, {RunFlag::backend, RunFlag::threads, RunFlag::resume, RunFlag::retry_failed});
  options.allow_config_file();
}

void check(const TokenizeOptions& values) {
  require_input(values.input.empty() != values.decode.empty(),
                "give the pictures and videos with --input, or a file of codes with --decode, one of them");
  require_input(!values.tokenizer.empty(),
                "--tokenizer is missing: the network, as `ringworld train` or diffusers writes it");
  require_input(!values.output.empty(), "--output is empty");
  require_input(values.frames >= 0, fmt::format("--frames {}: a number of frames, or 0 for all", values.frames));
  require_input(values.fps >= 0, fmt::format("--fps {}: frames a second, or 0 for all", values.fps));
  require_input(values.frames == 0 || values.fps == 0,
                fmt::format("--frames {} and --fps {}: frames are chosen by one of them", values.frames, values.fps));
  require_input(values.folder_fps > 0, fmt::format("--folder-fps {}: more than 0", values.folder_fps));
  require_input(values.psnr_frames >= -1, fmt::format("--psnr-frames {}: -1, 0 or more", values.psnr_frames));
  require_input(values.batch >= 1, fmt::format("--batch {}: at least 1", values.batch));
  require_input(values.item.empty() || !values.decode.empty(), "--item chooses what --decode turns into pictures");
}

/// The root's list, on every rank: folders may look different from elsewhere.
std::vector<std::string> shared_list(const Communicator& world, const TokenizeOptions& values) {
  std::string joined;
  on_root(world, [&] {
    for (const std::string& item : list_items(values.input, values.folders)) {
      joined += item + '\0';
    }
  });
  joined = world.broadcast(std::move(joined), 0);
  std::vector<std::string> items;
  for (std::size_t begin = 0; begin < joined.size(); begin = joined.find('\0', begin) + 1) {
    items.push_back(joined.substr(begin, joined.find('\0', begin) - begin));
  }
  return items;
}

/// The keys of an item's row.
TokenizedItemRow point_of(const std::string& item, const TokenizeOptions& values, const FrameTokenizer& tokenizer) {
  TokenizedItemRow row;
  row.source = std::string_view(item);
  row.source_digest = std::string_view(digest_of_item(item));
  row.frames_wanted = values.frames;
  row.fps_wanted = values.fps;
  row.folder_fps = values.folder_fps;
  row.resize_filter = resize_filter_name;
  row.tokenizer_digest = std::string_view(tokenizer.digest());
  row.backend = name_of(values.backend);
  row.threads = values.threads;
  return row;
}

/// Numbers of the items that the record lacks.
std::vector<std::int64_t> pending_items(RunRecord& record, const std::vector<TokenizedItemRow>& points) {
  std::vector<std::int64_t> pending;
  for (std::size_t item = 0; item < points.size(); ++item) {
    if (!record.holds(points[item])) {
      pending.push_back(static_cast<std::int64_t>(item));
    }
  }
  return pending;
}

/// The first of name, name-2, name-3, ... that the record does not have.
std::string free_name(const RunRecord& record, const std::string& name) {
  std::string candidate = name;
  for (std::int64_t number = 2; record.has(fmt::format("{}/{}", codes_group, candidate)); ++number) {
    candidate = fmt::format("{}-{}", name, number);
  }
  return candidate;
}

/// A file of codes is of one network.
void require_same_network(const TokenizeOptions& values, const FrameTokenizer& tokenizer) {
  if (!values.resume || !std::filesystem::exists(values.output)) {
    return;
  }
  const auto made_by = TensorReader::open(values.output).attribute(std::string(codes_digest_attribute));
  const std::string digest = made_by.has_value() ? as_text(*made_by).value_or("") : tokenizer.digest();
  require_input(
      digest == tokenizer.digest(),
      fmt::format("--output: '{}' holds codes of another network: its digest is {}, that of --tokenizer {}; give "
                  "another file",
                  values.output, digest, tokenizer.digest()));
}

class TokenizeRun {
 public:
  TokenizeRun(const Job& job, const TokenizeOptions& values, RunRecord& record, FrameTokenizer& tokenizer)
      : job_(job), values_(values), record_(record), tokenizer_(tokenizer) {
    record.write([&] {
      record.set_attribute(std::string(codes_digest_attribute), tokenizer.digest());
      record.set_attribute("frame_side", tokenizer.frame_side());
      record.set_attribute("codes_per_side", tokenizer.codes_per_side());
      record.set_attribute("codebook_size", tokenizer.codebook_size());
    });
  }

  /// @return false when a signal ended it early
  bool run(const std::vector<std::string>& items) {
    const Communicator& world = job_.world;
    std::vector<TokenizedItemRow> points(items.size());
    on_root(world, [&] {
      for (std::size_t item = 0; item < items.size(); ++item) {
        points[item] = point_of(items[item], values_, tokenizer_);
      }
    });
    const std::vector<std::int64_t> pending = pending_items(record_, points);
    SweepProgress progress(std::ssize(items), world.is_root());
    for (std::size_t done = pending.size(); done < items.size(); ++done) {
      progress.skip();
    }
    progress.begin();
    for (std::int64_t turn = 0; turn < std::ssize(pending); turn += world.size()) {
      if (is_stop_wanted(world)) {
        return false;
      }
      const Phase phase("item {} of {}", turn + 1, std::ssize(pending));
      const std::int64_t count = std::min<std::int64_t>(world.size(), std::ssize(pending) - turn);
      std::optional<Error> failure;
      ItemTokens mine;
      if (world.rank() < count) {
        const auto item = static_cast<std::size_t>(pending[static_cast<std::size_t>(turn + world.rank())]);
        mine = tokenize_or_fail(items[item], failure);
      }
      // What the other ranks have done is kept, though one of them failed.
      const std::vector<std::int64_t> frames = world.all_gather(mine.row.frames);
      if (!world.is_root() && mine.row.frames > 0) {
        send(mine);
      }
      record_.write([&] {
        for (int rank = 0; rank < count; ++rank) {
          const auto item = static_cast<std::size_t>(pending[static_cast<std::size_t>(turn + rank)]);
          if (const std::int64_t of_rank = frames[static_cast<std::size_t>(rank)]; of_rank > 0) {
            progress.advance(add(points[item], items[item], rank == 0 ? mine : receive(rank, of_rank)));
          }
        }
      });
      if (!world.all_agree(!failure.has_value())) {
        record_.commit();
        on_every_rank(world, [&] {
          if (failure.has_value()) {
            throw *failure;
          }
        });
      }
    }
    return true;
  }

 private:
  ItemTokens tokenize_or_fail(const std::string& item, std::optional<Error>& failure) {
    try {
      return tokenize_item(item,
                           {.choice = {.frames = values_.frames, .frames_per_second = values_.fps},
                            .folder_rate = values_.folder_fps,
                            .batch = values_.batch,
                            .psnr_frames = values_.psnr_frames},
                           tokenizer_);
    } catch (const Error& error) {
      failure = error;
      return {};
    }
  }

  void send(const ItemTokens& item) const {
    static_assert(std::is_trivially_copyable_v<TokenizedItemRow> && std::is_trivially_copyable_v<TokenizedFrameRow>);
    job_.world.send(std::as_bytes(std::span(&item.row, 1)), 0, codes_tag);
    job_.world.send(std::as_bytes(std::span(item.frames)), 0, codes_tag);
    job_.world.send(std::as_bytes(std::span(item.codes)), 0, codes_tag);
  }

  [[nodiscard]] ItemTokens receive(int rank, std::int64_t frames) const {
    ItemTokens item;
    item.frames.resize(static_cast<std::size_t>(frames));
    item.codes.resize(static_cast<std::size_t>(frames * tokenizer_.codes_per_frame()));
    job_.world.receive(std::as_writable_bytes(std::span(&item.row, 1)), rank, codes_tag);
    job_.world.receive(std::as_writable_bytes(std::span(item.frames)), rank, codes_tag);
    job_.world.receive(std::as_writable_bytes(std::span(item.codes)), rank, codes_tag);
    return item;
  }

  /// On the root: brings an item to the record. Returns a line about it.
  std::string add(const TokenizedItemRow& point, const std::string& item, ItemTokens done) {
    TokenizedItemRow row = point;
    const std::string name = free_name(record_, name_of_item(item));
    row.name = std::string_view(name);
    row.source_frames = done.row.source_frames;
    row.frames = done.row.frames;
    row.frame_side = tokenizer_.frame_side();
    row.codes_per_side = tokenizer_.codes_per_side();
    row.codebook_size = tokenizer_.codebook_size();
    row.read_seconds = done.row.read_seconds;
    row.seconds = done.row.seconds;
    row.frames_per_second = done.row.frames_per_second;
    row.codes_used = done.row.codes_used;
    row.psnr_frames = done.row.psnr_frames;
    row.psnr = done.row.psnr;
    row.tokenizer = std::string_view(values_.tokenizer);
    row.ranks = job_.world.size();
    conclude(row, Outcome::ok);
    const std::array shape{row.frames, row.codes_per_side, row.codes_per_side};
    record_.write_block(fmt::format("{}/{}", codes_group, name), shape, done.codes,
                        "codes of an item, (frame, row, column)");
    const std::int64_t index = record_.append(row);
    for (TokenizedFrameRow& frame : done.frames) {
      frame.item = index;
    }
    record_.append_all(std::span<const TokenizedFrameRow>(done.frames));
    return fmt::format("{}: {} of {} frames, {}frame/s, {} codes used{}", item, row.frames, row.source_frames,
                       with_si_prefix(row.frames_per_second), row.codes_used,
                       row.psnr_frames > 0 ? fmt::format(", PSNR {:.2f} dB of {}", row.psnr, row.psnr_frames) : "");
  }

  const Job& job_;
  const TokenizeOptions& values_;
  RunRecord& record_;
  FrameTokenizer& tokenizer_;
};

}  // namespace

int run_tokenize(const Job& job) {
  TokenizeOptions values;
  Options options("tokenize", description);
  declare(options, values);
  if (!parse_options(job, options)) {
    return 0;
  }
  const Communicator& world = job.world;
  on_every_rank(world, [&] { check(values); });
  const bool decodes = !values.decode.empty();
  const std::vector<std::string> items = decodes ? std::vector<std::string>() : shared_list(world, values);

  std::vector<JobFile> reads = job_files("--input", items);
  std::erase_if(reads, [](const JobFile& file) { return std::filesystem::is_directory(file.path); });
  reads.push_back({.flag = "--tokenizer", .path = values.tokenizer});
  reads.push_back({.flag = "--decode", .path = values.decode});
  std::vector<JobFile> writes;
  if (!decodes || is_one_file(values.output)) {
    writes.push_back({.flag = "--output", .path = values.output, .is_read_as_well = values.resume && !decodes});
  }
  const JobFiles files(job, std::move(reads), writes);
  static_cast<void>(warn_of_shared_cpus(world, values.threads));
  std::unique_ptr<FrameTokenizer> tokenizer;
  on_every_rank(world, [&] {
    tokenizer = read_frame_tokenizer(values.tokenizer, values.backend, static_cast<int>(values.threads));
  });
  if (decodes) {
    const std::int64_t frames = decode_codes(world,
                                             {.codes = values.decode,
                                              .output = values.output,
                                              .item = values.item,
                                              .frames_per_second = values.fps,
                                              .batch = values.batch},
                                             *tokenizer);
    if (world.is_root()) {
      log_info(fmt::format("{} frames of {} x {} pixels -> {}", frames, tokenizer->frame_side(),
                           tokenizer->frame_side(), values.output));
    }
    return 0;
  }
  on_root(world, [&] { require_same_network(values, *tokenizer); });
  RunRecord record(job, {.output = values.output,
                         .is_resumed = values.resume,
                         .retries_failed = values.retry_failed,
                         .configuration = options.to_toml(),
                         .seconds_between_commits = seconds_between_commits});
  TokenizeRun run(job, values, record, *tokenizer);
  const bool is_whole = run.run(items);
  record.finish();
  return is_whole ? 0 : stopped_early(job, fmt::format("{} holds what was done; go on with --resume", values.output));
}

}  // namespace ringworld
