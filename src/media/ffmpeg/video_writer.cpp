#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "media/ffmpeg/handles.hpp"
#include "media/video.hpp"

namespace ringworld {
namespace {

constexpr int largest_rate_part = 1'001'000;  // holds 24000/1001 and its like
constexpr int mpeg4_quality = 3;              // 1 is best, 31 worst

void check(int code, std::string_view what) {
  if (code < 0) {
    throw Error(ErrorKind::internal, fmt::format("FFmpeg cannot {}: {}", what, libav_message(code)));
  }
}

const AVCodec* find_encoder() {
  const AVCodec* codec = libav().avcodec_find_encoder_by_name("libx264");
  return codec != nullptr ? codec : libav().avcodec_find_encoder(AV_CODEC_ID_MPEG4);
}

int even(std::int64_t side) { return static_cast<int>(side + side % 2); }

class Mp4Encoder final : public ClipEncoder {
 public:
  Mp4Encoder(std::int64_t width, std::int64_t height, double frames_per_second) : width_(width), height_(height) {
    open_output();
    const AVCodec* codec = find_encoder();
    require_input(codec != nullptr, "MP4: FFmpeg's libraries here have no encoder for it (neither x264 nor MPEG-4)");
    open_codec(*codec, libav().av_d2q(frames_per_second, largest_rate_part));
    stream_ = libav().avformat_new_stream(output_.get(), nullptr);
    require(stream_ != nullptr, "FFmpeg makes no stream");
    check(libav().avcodec_parameters_from_context(stream_->codecpar, codec_.get()), "describe a video");
    stream_->time_base = codec_.get()->time_base;
    stream_->avg_frame_rate = codec_.get()->framerate;
    check(libav().avformat_write_header(output_.get(), nullptr), "begin an MP4 file");
    make_frame();
  }

  void add(const Image& image) override {
    require(image.width == width_ && image.height == height_, "the frames of a clip have one size");
    const std::vector<std::uint8_t> pixels = with_even_sides(image);
    check(libav().av_frame_make_writable(frame_.get()), "take a frame");
    AVFrame& frame = *frame_.get();
    const std::array<const std::uint8_t*, 1> source{pixels.data()};
    const std::array<int, 1> strides{3 * frame.width};
    libav().sws_scale(scaler_.get(), source.data(), strides.data(), 0, frame.height, frame.data, frame.linesize);
    frame.pts = frames_++;
    check(libav().avcodec_send_frame(codec_.get(), &frame), "encode a frame");
    write_packets();
  }

  FileBytes finish() override {
    require(frames_ > 0, "a clip has at least one frame");
    check(libav().avcodec_send_frame(codec_.get(), nullptr), "end a video");
    write_packets();
    check(libav().av_write_trailer(output_.get()), "end an MP4 file");
    std::uint8_t* begin = nullptr;
    const int count = libav().avio_close_dyn_buf(std::exchange(output_.get()->pb, nullptr), &begin);
    FileBytes bytes(reinterpret_cast<const std::byte*>(begin), reinterpret_cast<const std::byte*>(begin) + count);
    libav().av_free(begin);
    return bytes;
  }

 private:
  void open_output() {
    AVFormatContext* context = nullptr;
    check(libav().avformat_alloc_output_context2(&context, nullptr, "mp4", nullptr), "make an MP4 file");
    output_.reset(context);
    context->flags |= AVFMT_FLAG_BITEXACT;  // no date, so that the same frames make the same file
    check(libav().avio_open_dyn_buf(&context->pb), "make an MP4 file");
  }

  void open_codec(const AVCodec& codec, AVRational rate) {
    codec_.reset(libav().avcodec_alloc_context3(&codec));
    require(static_cast<bool>(codec_), "FFmpeg makes no encoder");
    AVCodecContext& context = *codec_.get();
    context.width = even(width_);
    context.height = even(height_);
    context.pix_fmt = AV_PIX_FMT_YUV420P;
    context.framerate = rate;
    context.time_base = av_inv_q(rate);
    context.thread_count = 1;
    context.colorspace = AVCOL_SPC_SMPTE170M;  // what the conversion below makes
    context.color_range = AVCOL_RANGE_MPEG;
    context.flags |= AV_CODEC_FLAG_BITEXACT;
    if ((output_.get()->oformat->flags & AVFMT_GLOBALHEADER) != 0) {
      context.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    }
    if (codec.id == AV_CODEC_ID_MPEG4) {
      context.flags |= AV_CODEC_FLAG_QSCALE;
      context.global_quality = FF_QP2LAMBDA * mpeg4_quality;
    } else {
      libav().av_opt_set(context.priv_data, "crf", "18", 0);
    }
    const int code = libav().avcodec_open2(&context, &codec, nullptr);
    require_input(code >= 0,
                  fmt::format("MP4: {} x {} pixels at {}/{} frames a second cannot be encoded: FFmpeg says '{}'",
                              width_, height_, rate.num, rate.den, libav_message(code)));
  }

  void make_frame() {
    frame_.reset(libav().av_frame_alloc());
    packet_.reset(libav().av_packet_alloc());
    require(frame_ && packet_, "FFmpeg makes no frame");
    AVFrame& frame = *frame_.get();
    frame.format = AV_PIX_FMT_YUV420P;
    frame.width = codec_.get()->width;
    frame.height = codec_.get()->height;
    check(libav().av_frame_get_buffer(&frame, 0), "take a frame");
    scaler_.reset(libav().sws_getContext(frame.width, frame.height, AV_PIX_FMT_RGB24, frame.width, frame.height,
                                         AV_PIX_FMT_YUV420P, SWS_BICUBIC | SWS_ACCURATE_RND, nullptr, nullptr,
                                         nullptr));
    require(static_cast<bool>(scaler_), "FFmpeg converts no pixels");
  }

  [[nodiscard]] std::vector<std::uint8_t> with_even_sides(const Image& image) const {
    const std::int64_t width = even(width_);
    const std::int64_t height = even(height_);
    std::vector<std::uint8_t> pixels;
    pixels.reserve(static_cast<std::size_t>(3 * width * height));
    for (std::int64_t y = 0; y < height; ++y) {
      const auto row = image.pixels.begin() + 3 * width_ * std::min(y, height_ - 1);
      pixels.insert(pixels.end(), row, row + 3 * width_);
      if (width > width_) {
        pixels.insert(pixels.end(), row + 3 * (width_ - 1), row + 3 * width_);
      }
    }
    return pixels;
  }

  void write_packets() {
    while (true) {
      const int code = libav().avcodec_receive_packet(codec_.get(), packet_.get());
      if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) {
        return;
      }
      check(code, "encode a frame");
      packet_.get()->stream_index = stream_->index;
      packet_.get()->duration = 1;
      libav().av_packet_rescale_ts(packet_.get(), codec_.get()->time_base, stream_->time_base);
      check(libav().av_interleaved_write_frame(output_.get(), packet_.get()), "write a frame");
    }
  }

  std::int64_t width_;
  std::int64_t height_;
  VideoOutput output_;
  VideoCodec codec_;
  AVStream* stream_ = nullptr;  // of output_
  VideoFrame frame_;
  VideoPacket packet_;
  Scaler scaler_;
  std::int64_t frames_ = 0;
};

}  // namespace

std::unique_ptr<ClipEncoder> make_mp4_encoder(std::int64_t width, std::int64_t height, double frames_per_second) {
  require_input(frames_per_second > 0 && frames_per_second <= 1000,
                fmt::format("MP4: {} frames a second; more than 0, at most 1000", frames_per_second));
  require_image_size(width, height, "the video");
  require_video("MP4");
  return std::make_unique<Mp4Encoder>(width, height, frames_per_second);
}

}  // namespace ringworld
