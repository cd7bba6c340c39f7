#pragma once
/// @file  Signals that announce the end of a job: SIGTERM (preemption, scancel), SIGUSR1 (Slurm's --signal), SIGUSR2 (LSF,
/// Grid Engine), SIGXCPU (a limit on CPU time), SIGINT, and SIGHUP (the terminal is gone) unless nohup has it ignored.
///
/// The first one is only noted: verbs finish the step or point at hand, write what they have, and return
/// `stopped_exit_code`. It may reach some ranks only, so ranks agree on it (comm/stop_agreement.hpp). A second
/// SIGTERM or SIGINT ends the process at once, but for a SIGTERM within three seconds of the first one: Slurm sends two.
///
/// No thread that computes may take a signal. Kernels of oneDNN 2.6 let the stack pointer point into a buffer on the heap
/// while they run (one is jit_avx512_common_gemm_f32.cpp, at its label buffer_in_ws). For a handler the operating system
/// would save the registers below that place, over whatever else the heap has there, and the run would go on with it or
/// abort. So a thread that does nothing else takes the signals.

#include <string>

namespace ringworld {

/// Exit code of a run that a signal ended early, with all that it had written: EX_TEMPFAIL of sysexits.h, "try again".
inline constexpr int stopped_exit_code = 75;

/// From here on, signals that announce the end are noted. They are blocked in the calling thread and in those that it
/// starts later: to be called before any thread that computes is started.
void catch_stop_signals();

/// The signal that this process was sent, or 0. Safe on any thread.
[[nodiscard]] int stop_signal() noexcept;

/// "SIGTERM" and the like, of the signal that this process was sent; "a signal to another rank" when it had none.
[[nodiscard]] std::string stop_signal_name();

}  // namespace ringworld
