//! Pictures on request, and as a stream of frames.
