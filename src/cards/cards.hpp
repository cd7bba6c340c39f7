#pragma once
/// @file  A small world of pictures and videos whose every caption is known, without a data set: cards with handwritten
/// digits, and with drawn shapes, that lie in nine cells of a frame or move from cell to cell.
///
///   +---+---+---+---+     A frame is 4 x 4 squares of 8 x 8 pixels, black. A card covers 2 x 2 of them, so there are
///   |   |   |   |   |     3 x 3 cells; the card shown lies in cell 5 (row 1, column 2: "centre right").
///   +---+---#=======#     A card has one colour, the digit or shape on it is black:
///   |   |   #   7   #
///   +---+---#       #         pixel = colour x (1 - glyph), then 2 x pixel - 1, in [-1, 1]
///   |   |   #=======#
///   +---+---+---+---+     Digits are red, green, blue, yellow, magenta or cyan; shapes are white.
///   |   |   |   |   |
///   +---+---+---+---+
///
/// Source of the handwriting: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
/// Repository, 1998, the 1,797 digits of 8 x 8 pixels that scikit-learn distributes as digits.csv.
/// Shapes: frames (side, side, 3), row major, red, green and blue in [-1, 1].

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cards/words.hpp"
#include "core/enumerators.hpp"
#include "data/draw_stream.hpp"

namespace ringworld {

/// The handwriting to train on (five sixths of it), or that which training never sees. Shapes are in both.
enum class CardSplit : std::uint8_t { training, evaluation };

template <>
struct Enumerators<CardSplit> {
  static constexpr std::string_view what = "split of the cards";
  static constexpr std::array<std::string_view, 2> names{"training", "evaluation"};
};

enum class CardKind : std::uint8_t { digit, shape };

/// What is on a card.
struct CardObject {
  CardKind kind = CardKind::digit;
  CardSplit split = CardSplit::training;  ///< of the handwriting; `training` for a shape
  std::int64_t colour = 0;                ///< index into colour_names
  std::int64_t name = 0;                  ///< index into digit_names or shape_names
  std::int64_t glyph = 0;  ///< which handwriting, less than CardWorld::glyphs(split); of a shape its name

  bool operator==(const CardObject&) const = default;
};

/// A card in one of the cells, row * 3 + column: all that a frame shows.
struct CardFrame {
  CardObject object;
  std::int64_t cell = 0;

  bool operator==(const CardFrame&) const = default;
};

inline constexpr std::int64_t card_cells_per_side = 3;
inline constexpr std::int64_t card_cells = card_cells_per_side * card_cells_per_side;
inline constexpr std::int64_t card_shape_colour = static_cast<std::int64_t>(colour_names.size()) - 1;
/// Colours of digits, the first so many of colour_names.
inline constexpr std::int64_t card_digit_colours = card_shape_colour;
/// Red, green and blue of each of colour_names.
inline constexpr std::array<std::array<float, 3>, colour_names.size()> card_palette{
    {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 0}, {1, 0, 1}, {0, 1, 1}, {1, 1, 1}}};
inline constexpr std::int64_t clip_frames = 3;
/// Side of a frame in pixels when the world is not asked for a larger one.
inline constexpr std::int64_t smallest_card_frame_side = 32;

/// A card that moves a cell a frame, across the whole picture.
struct CardClip {
  CardObject object;
  std::int64_t direction = 0;  ///< index into direction_names
  std::int64_t lane = 0;       ///< the row of a card that moves sideways, the column of one that moves up or down

  /// The cell of frame 0, 1, ..., clip_frames - 1.
  [[nodiscard]] std::int64_t cell(std::int64_t frame) const;
  bool operator==(const CardClip&) const = default;
};

/// The frames of a clip, in order.
[[nodiscard]] std::vector<CardFrame> frames_of(const CardClip& clip);

/// "red seven"
[[nodiscard]] std::string object_caption(const CardObject& object);
/// "red seven top left"
[[nodiscard]] std::string image_caption(const CardFrame& frame);
/// "red seven moves leftwards"
[[nodiscard]] std::string clip_caption(const CardClip& clip);
/// "what digit is red"; the answer is a word of digit_names.
[[nodiscard]] std::string card_question(std::int64_t colour);

/// A digit to be found in a video.
struct CardNeedle {
  std::int64_t frame = 0;
  std::int64_t colour = 0;  ///< no other needle of the video has it
  std::int64_t digit = 0;

  bool operator==(const CardNeedle&) const = default;
};

/// White shapes that wander from cell to cell, a shape and a direction for every three frames, with a digit card in place
/// of some of the frames.
struct NeedleVideo {
  std::vector<CardFrame> frames;
  std::vector<CardNeedle> needles;  ///< in the order of their frames
};

struct NeedleVideoRequest {
  CardSplit split = CardSplit::training;
  std::int64_t frames = 0;
  std::int64_t needles = 1;  ///< at most `frames`, and at most card_digit_colours
  /// Where the only needle lies: 0 the first frame, 1 the last. Without it places are random.
  std::optional<double> depth = std::nullopt;
};

struct CardWorldOptions {
  /// How many glyphs are made of each handwritten digit of the training split: the digit itself, and variants that are
  /// shifted, turned, thinned or thickened a little. Held-out handwriting is never changed.
  std::int64_t variants = 1;
  std::uint64_t variant_seed = 0;
  /// Pixels along a side of a frame, a multiple of 32: each pixel of the drawing is repeated.
  std::int64_t frame_side = smallest_card_frame_side;
};

/// The glyphs, and everything that is drawn with them. What is drawn depends on the stream of draws alone; nothing
/// changes after construction, so that any number of threads may draw and paint.
class CardWorld {
 public:
  /// @param digits_file  digits.csv: a digit a line, 64 grey values 0..16 and the digit itself, between commas
  /// @throws ringworld::Error (bad_input) naming the file, and the line which is wrong, or the option.
  CardWorld(const std::filesystem::path& digits_file, const CardWorldOptions& options);

  [[nodiscard]] const CardWorldOptions& options() const { return options_; }
  [[nodiscard]] std::int64_t frame_side() const { return options_.frame_side; }
  /// Floats of a frame, side * side * 3.
  [[nodiscard]] std::int64_t frame_size() const { return frame_side() * frame_side() * 3; }
  /// How many glyphs of handwriting a split has, variants included.
  [[nodiscard]] std::int64_t glyphs(CardSplit split) const;
  /// How many of them are handwriting as it is in the file: these come first.
  [[nodiscard]] std::int64_t originals(CardSplit split) const;
  /// The digit that a glyph shows.
  [[nodiscard]] std::int64_t digit(CardSplit split, std::int64_t glyph) const;
  /// A glyph, (16, 16), row major, 0 the card and 1 ink.
  [[nodiscard]] std::span<const float> glyph(const CardObject& object) const;
  /// Text that tells one world from another: the handwriting and all options.
  [[nodiscard]] const std::string& digest() const { return digest_; }

  /// A shape with probability `shape_share`, else a digit. Kind, glyph and colour are uniform.
  [[nodiscard]] CardObject draw_object(CardSplit split, DrawStream& draws, double shape_share = 0.2) const;
  /// An object as draw_object() gives it, in any cell.
  [[nodiscard]] CardFrame draw_frame(CardSplit split, DrawStream& draws, double shape_share = 0.2) const;
  /// An object as draw_object() gives it, any direction and any lane.
  [[nodiscard]] CardClip draw_clip(CardSplit split, DrawStream& draws, double shape_share = 0.2) const;
  /// @throws ringworld::Error (bad_input) when the frames or the colours do not suffice for the needles, or when a depth
  /// is not in 0..1 or given for another number of needles than one.
  [[nodiscard]] NeedleVideo draw_needle_video(const NeedleVideoRequest& request, DrawStream& draws) const;

  /// @param pixels  (side, side, 3), overwritten
  void paint(const CardFrame& frame, std::span<float> pixels) const;

 private:
  /// Glyphs of one split and their digits.
  struct Handwriting {
    std::vector<float> glyphs;  ///< (n, 16, 16)
    std::vector<std::int64_t> digits;
    std::int64_t originals = 0;
  };

  [[nodiscard]] const Handwriting& handwriting(CardSplit split) const;

  CardWorldOptions options_;
  std::string digest_;
  Handwriting training_;
  Handwriting evaluation_;
  std::vector<float> shapes_;  ///< (6, 16, 16)
};

}  // namespace ringworld
