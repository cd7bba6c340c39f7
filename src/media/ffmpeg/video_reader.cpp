#include <fmt/format.h>

#include <cmath>

#include "core/error.hpp"
#include "media/ffmpeg/handles.hpp"
#include "media/video.hpp"

namespace ringworld {
namespace {

/// What counts as a video: FFmpeg would also take texts for subtitles, and lists of other files' names.
constexpr const char* formats =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,flv,ogg,asf,ivf,yuv4mpegpipe";

VideoInput open_input(const std::filesystem::path& path, const std::string& name) {
  AVDictionary* options = nullptr;
  libav().av_dict_set(&options, "format_whitelist", formats, 0);
  libav().av_dict_set(&options, "protocol_whitelist", "file", 0);
  AVFormatContext* context = nullptr;
  const int code = libav().avformat_open_input(&context, ("file:" + path.string()).c_str(), nullptr, &options);
  libav().av_dict_free(&options);
  VideoInput input(context);
  require_input(code >= 0, fmt::format("{} is no PNG, JPEG, GIF or video, or it is damaged: FFmpeg says '{}'", name,
                                       libav_message(code)));
  const int probed = libav().avformat_find_stream_info(input.get(), nullptr);
  require_input(probed >= 0, fmt::format("{} is a damaged video: FFmpeg says '{}'", name, libav_message(probed)));
  return input;
}

VideoCodec open_codec(const AVStream& stream, const std::string& name) {
  const AVCodec* codec = libav().avcodec_find_decoder(stream.codecpar->codec_id);
  require_input(codec != nullptr, fmt::format("{} is a video in {}, which FFmpeg's libraries here cannot decode", name,
                                              libav().avcodec_get_name(stream.codecpar->codec_id)));
  VideoCodec context(libav().avcodec_alloc_context3(codec));
  require(static_cast<bool>(context), "FFmpeg makes no decoder");
  context.get()->thread_count = 1;  // ranks share the cores already
  context.get()->max_pixels = max_image_pixels;
  int code = libav().avcodec_parameters_to_context(context.get(), stream.codecpar);
  if (code >= 0) {
    code = libav().avcodec_open2(context.get(), codec, nullptr);
  }
  require_input(code >= 0, fmt::format("{} cannot be decoded: FFmpeg says '{}'", name, libav_message(code)));
  return context;
}

class VideoStream final : public FrameStream {
 public:
  explicit VideoStream(const std::filesystem::path& path)
      : name_(fmt::format("'{}'", path.string())),
        input_(open_input(path, name_)),
        frame_(libav().av_frame_alloc()),
        packet_(libav().av_packet_alloc()) {
    require(frame_ && packet_, "FFmpeg makes no frame");
    stream_ = libav().av_find_best_stream(input_.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    require_input(stream_ >= 0, fmt::format("{} has no video stream: give a file that has pictures", name_));
    codec_ = open_codec(stream(), name_);
  }

  std::optional<double> advance() override {
    while (true) {
      const int code = libav().avcodec_receive_frame(codec_.get(), frame_.get());
      if (code == 0) {
        return time_of_frame();
      }
      if (code == AVERROR_EOF) {
        require_input(frames_ > 0, fmt::format("{} is a video without a frame", name_));
        return std::nullopt;
      }
      require_decoded(code == AVERROR(EAGAIN) ? 0 : code);
      send_packet();
    }
  }

  Image frame() override {
    const AVFrame& source = *frame_.get();
    Image image = make_image(source.width, source.height, name_);
    SwsContext* scaler = libav().sws_getCachedContext(
        scaler_.release(), source.width, source.height, static_cast<AVPixelFormat>(source.format), source.width,
        source.height, AV_PIX_FMT_RGB24, SWS_BICUBIC | SWS_ACCURATE_RND, nullptr, nullptr, nullptr);
    scaler_.reset(scaler);
    require_input(scaler != nullptr, fmt::format("{}: FFmpeg cannot make RGB of its pixels", name_));
    const int* colours = libav().sws_getCoefficients(
        source.colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : static_cast<int>(source.colorspace));
    libav().sws_setColorspaceDetails(scaler, colours, source.color_range == AVCOL_RANGE_JPEG ? 1 : 0,
                                     libav().sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    const std::array<std::uint8_t*, 4> target{image.pixels.data(), nullptr, nullptr, nullptr};
    const std::array<int, 4> strides{3 * source.width, 0, 0, 0};
    const int rows =
        libav().sws_scale(scaler, source.data, source.linesize, 0, source.height, target.data(), strides.data());
    require_input(rows == source.height, fmt::format("{}: FFmpeg cannot make RGB of its pixels", name_));
    return image;
  }

 private:
  [[nodiscard]] AVStream& stream() const { return *input_.get()->streams[stream_]; }

  void require_decoded(int code) const {
    require_input(code >= 0, fmt::format("{} is a damaged video: after {} frames FFmpeg says '{}'", name_, frames_,
                                         libav_message(code)));
  }

  /// Gives the decoder the next packet of the stream, or the end.
  void send_packet() {
    while (true) {
      const int code = libav().av_read_frame(input_.get(), packet_.get());
      if (code == AVERROR_EOF) {
        require_decoded(libav().avcodec_send_packet(codec_.get(), nullptr));
        return;
      }
      require_decoded(code);
      const bool is_ours = packet_.get()->stream_index == stream_;
      const int sent = is_ours ? libav().avcodec_send_packet(codec_.get(), packet_.get()) : 0;
      libav().av_packet_unref(packet_.get());
      require_decoded(sent);
      if (is_ours) {
        return;
      }
    }
  }

  /// By the file's time stamps; where a frame has none, one frame of the average rate behind the one before.
  double time_of_frame() {
    const AVRational rate = stream().avg_frame_rate;
    const double step = rate.num > 0 && rate.den > 0 ? av_q2d(av_inv_q(rate)) : 0.0;
    const std::int64_t stamp = frame_.get()->best_effort_timestamp;
    if (stamp != AV_NOPTS_VALUE) {
      const double absolute = static_cast<double>(stamp) * av_q2d(stream().time_base);
      if (frames_ == 0) {
        first_ = absolute;
      }
      time_ = std::max(absolute - first_, time_);
    } else if (frames_ > 0) {
      time_ += step;
    }
    ++frames_;
    return time_;
  }

  std::string name_;
  VideoInput input_;
  VideoFrame frame_;
  VideoPacket packet_;
  VideoCodec codec_;
  Scaler scaler_;
  int stream_ = -1;
  std::int64_t frames_ = 0;
  double first_ = 0;
  double time_ = 0;
};

}  // namespace

std::unique_ptr<FrameStream> open_video(const std::filesystem::path& path) {
  require_video(fmt::format("'{}'", path.string()));
  return std::make_unique<VideoStream>(path);
}

}  // namespace ringworld
