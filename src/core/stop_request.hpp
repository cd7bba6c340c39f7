#pragma once
/// @file  Signals that announce the end of a job: SIGTERM (preemption, scancel), SIGUSR1 (Slurm's --signal), SIGUSR2 (LSF,
/// Grid Engine), SIGXCPU (a limit on CPU time), SIGINT, and SIGHUP (the terminal is gone) unless nohup has it ignored.
///
/// The first one is only noted: verbs finish the step or point at hand, write what they have, and return
/// `stopped_exit_code`. It may reach some ranks only, so ranks agree on it (comm/stop_agreement.hpp). A second
/// SIGTERM or SIGINT ends the process at once.

#include <string>

namespace ringworld {

/// Exit code of a run that a signal ended early, with all that it had written: EX_TEMPFAIL of sysexits.h, "try again".
inline constexpr int stopped_exit_code = 75;

/// From here on, signals that announce the end are noted.
void catch_stop_signals();

/// The signal that this process was sent, or 0. Safe on any thread.
[[nodiscard]] int stop_signal() noexcept;

/// "SIGTERM" and the like, of the signal that this process was sent; "a signal to another rank" when it had none.
[[nodiscard]] std::string stop_signal_name();

}  // namespace ringworld
