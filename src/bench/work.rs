//! Counted work of recordings.

use crate::engine::{Command, Engine, Recording, Work};

/// Of all dispatches together; one that nobody has counted adds nothing.
pub fn work(engine: &Engine, recording: &Recording) -> Work {
    let of = |command: &Command| match command {
        Command::Dispatch(dispatch) if !dispatch.groups.contains(&0) => {
            engine.description(dispatch.kernel)?.work.of(recording.bytes(dispatch.immediates), dispatch.groups)
        }
        _ => None,
    };
    recording.commands().iter().filter_map(of).sum()
}
