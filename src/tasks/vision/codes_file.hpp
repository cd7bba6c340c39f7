#pragma once
/// @file  Codes of images and videos in HDF5 files: integers, (frames, codes of a frame) a dataset, and which network
/// made them as an attribute of the file.

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/tensor_file.hpp"
#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Attribute with FrameTokenizer::digest() of the network that made a file's codes.
inline constexpr std::string_view codes_digest_attribute = "frame_tokenizer_digest";

/// Reads datasets of any number of files, each opened once.
class CodesFiles {
 public:
  /// @param folder  that relative names of files start from
  /// @param digest  that the codes must be of; empty: any
  CodesFiles(std::filesystem::path folder, std::string digest);

  /// The codes of a dataset, one frame after the other.
  /// @throws ringworld::Error (bad_input) naming the file and the dataset, or the two digests when they differ.
  [[nodiscard]] std::vector<Token> read(const std::string& file, const std::string& dataset);

 private:
  [[nodiscard]] const TensorReader& open(const std::string& file);

  std::filesystem::path folder_;
  std::string digest_;
  std::map<std::string, TensorReader> files_;
};

}  // namespace ringworld
