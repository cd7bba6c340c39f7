#pragma once
/// @file  Frames to one file of moving pictures.

#include "media/image.hpp"

namespace ringworld {

/// Takes frames of one size, and gives the file when all are there.
class ClipEncoder {
 public:
  ClipEncoder() = default;
  ClipEncoder(const ClipEncoder&) = delete;
  ClipEncoder& operator=(const ClipEncoder&) = delete;
  virtual ~ClipEncoder() = default;

  virtual void add(const Image& frame) = 0;
  /// Once, behind at least one frame.
  [[nodiscard]] virtual FileBytes finish() = 0;
};

}  // namespace ringworld
