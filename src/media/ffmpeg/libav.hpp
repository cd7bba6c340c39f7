#pragma once
/// @file  FFmpeg's libraries, loaded when the first video is opened.
///
/// They bring 120 other libraries with them, which every rank of every job would load at its start though few of them
/// ever see a video: a quarter of the CPU time of a start, and the same files from a shared file system
/// once a rank.

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

// Every function that is called, with the library that has it.
#define RINGWORLD_LIBAV_FUNCTIONS(X)          \
  X(avutil, av_d2q)                           \
  X(avutil, av_dict_free)                     \
  X(avutil, av_dict_set)                      \
  X(avutil, av_frame_alloc)                   \
  X(avutil, av_frame_free)                    \
  X(avutil, av_frame_get_buffer)              \
  X(avutil, av_frame_make_writable)           \
  X(avutil, av_free)                          \
  X(avutil, av_log_set_level)                 \
  X(avutil, av_opt_set)                       \
  X(avutil, av_strerror)                      \
  X(avcodec, av_packet_alloc)                 \
  X(avcodec, av_packet_free)                  \
  X(avcodec, av_packet_rescale_ts)            \
  X(avcodec, av_packet_unref)                 \
  X(avcodec, avcodec_alloc_context3)          \
  X(avcodec, avcodec_find_decoder)            \
  X(avcodec, avcodec_find_encoder)            \
  X(avcodec, avcodec_find_encoder_by_name)    \
  X(avcodec, avcodec_free_context)            \
  X(avcodec, avcodec_get_name)                \
  X(avcodec, avcodec_open2)                   \
  X(avcodec, avcodec_parameters_from_context) \
  X(avcodec, avcodec_parameters_to_context)   \
  X(avcodec, avcodec_receive_frame)           \
  X(avcodec, avcodec_receive_packet)          \
  X(avcodec, avcodec_send_frame)              \
  X(avcodec, avcodec_send_packet)             \
  X(avformat, av_find_best_stream)            \
  X(avformat, av_interleaved_write_frame)     \
  X(avformat, av_read_frame)                  \
  X(avformat, av_write_trailer)               \
  X(avformat, avformat_alloc_output_context2) \
  X(avformat, avformat_close_input)           \
  X(avformat, avformat_find_stream_info)      \
  X(avformat, avformat_free_context)          \
  X(avformat, avformat_new_stream)            \
  X(avformat, avformat_open_input)            \
  X(avformat, avformat_write_header)          \
  X(avformat, avio_close_dyn_buf)             \
  X(avformat, avio_open_dyn_buf)              \
  X(swscale, sws_freeContext)                 \
  X(swscale, sws_getCachedContext)            \
  X(swscale, sws_getCoefficients)             \
  X(swscale, sws_getContext)                  \
  X(swscale, sws_scale)                       \
  X(swscale, sws_setColorspaceDetails)

namespace ringworld {

/// The functions under their own names.
struct Libav {
#define RINGWORLD_DECLARE(library, name) decltype(&::name) name;
  RINGWORLD_LIBAV_FUNCTIONS(RINGWORLD_DECLARE)
#undef RINGWORLD_DECLARE
};

/// Loads the libraries at the first call. They print nothing by themselves: what they would say comes as a code as well.
/// @throws ringworld::Error (bad_input) when this machine lacks a library of the version that the build had.
[[nodiscard]] const Libav& libav();

}  // namespace ringworld
