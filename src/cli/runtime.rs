//! The runtime folder of a Linux session, which graphics drivers expect.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};

/// Names a runtime folder where the system has named none: Mesa complains on every look for adapters without one.
pub fn name_folder() {
    const NAME: &str = "XDG_RUNTIME_DIR";
    if std::env::var_os(NAME).is_some_and(|folder| !folder.is_empty()) {
        return;
    }
    let Ok(user) = fs::metadata("/proc/self").map(|process| process.uid()) else { return };
    let folder = std::env::temp_dir().join(format!("flowmill-{user}"));
    // It may be there from an earlier run; somebody else's is not used.
    let _ = DirBuilder::new().mode(0o700).create(&folder);
    if fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir() && found.uid() == user) {
        // SAFETY: first thing in `main`, when no other thread could read the environment.
        unsafe { std::env::set_var(NAME, &folder) };
    }
}
