#pragma once
/// @file  Standard input, output and error that may be closed, full or broken without an end to the run.

namespace ringworld {

/// Makes the loss of a standard stream harmless: what cannot be written is dropped, and the run goes on.
///
/// A stream that is closed is opened on /dev/null, so that no data file is given its number and then written over by a
/// message. Broken pipes and file size limits become errors of the call that meets them, in place of signals that end
/// the process. To be called first in main, before a library opens a file or prints.
void outlive_standard_streams();

/// Why standard output lost something, as an error number; 0 when all of it was written. Flushes it first.
[[nodiscard]] int standard_output_error();

}  // namespace ringworld
