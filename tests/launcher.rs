//! The launcher `./flowmill` on an imagined machine: stubs stand for cargo, the package manager and the binary, and
//! write down what they were called with.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A machine: `bin/` with stubs, `root/` where drivers are looked for, `target/` with a built binary, `log`.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(TempDir::new().unwrap());
        for folder in ["bin", "root", "target/release", "home"] {
            fs::create_dir_all(machine.0.path().join(folder)).unwrap();
        }
        machine.stub("bin/cargo", "echo \"cargo $*${REQUIRE_GPU+, REQUIRE_GPU}\" >> \"$LOG\"");
        machine.stub("bin/ldconfig", "echo '    libvulkan.so.1 (libc6,x86-64) => /lib/libvulkan.so.1'");
        machine.stub("bin/id", "echo 0");
        machine.stub("target/release/flowmill", "for word; do echo \"word <$word>\" >> \"$LOG\"; done; exit 7");
        machine
    }

    fn stub(&self, path: &str, body: &str) {
        let path = self.0.path().join(path);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn with_driver(self) -> Self {
        let folder = self.0.path().join("root/usr/share/vulkan/icd.d");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("lvp_icd.json"), "{}").unwrap();
        self
    }

    /// apt-get that brings a driver.
    fn with_apt(self) -> Self {
        let body = "echo \"apt-get $*\" >> \"$LOG\"; mkdir -p \"$FLOWMILL_SYSROOT/usr/share/vulkan/icd.d\"
            case $1 in install) echo '{}' > \"$FLOWMILL_SYSROOT/usr/share/vulkan/icd.d/lvp.json\" ;; esac";
        self.stub("bin/apt-get", body);
        self
    }

    /// Exit code, what the stubs wrote down, standard error.
    fn launch(&self, args: &[&str]) -> (i32, String, String) {
        let at = |path: &str| self.0.path().join(path);
        // The tools that the launcher itself needs, and nothing of this machine's package managers.
        for tool in ["sh", "dirname", "uname", "mkdir", "chmod", "grep", "git"] {
            let real = ["/bin", "/usr/bin"].iter().map(|d| Path::new(d).join(tool)).find(|p| p.exists());
            if let Some(real) = real {
                let _ = std::os::unix::fs::symlink(real, at("bin").join(tool));
            }
        }
        let output = Command::new("/bin/sh")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("flowmill"))
            .args(args)
            .env_clear()
            .env("PATH", at("bin"))
            .env("HOME", at("home"))
            .env("TMPDIR", self.0.path())
            .env("LOG", at("log"))
            .env("FLOWMILL_SYSROOT", at("root"))
            .env("CARGO_TARGET_DIR", at("target"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let log = fs::read_to_string(at("log")).unwrap_or_default();
        (output.status.code().unwrap_or(-1), log, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn it_builds_and_hands_over_words_and_exit_code_and_installs_nothing() {
    let (code, log, stderr) = Machine::new().with_apt().launch(&["train", "multigoal", "--set", "a b"]);
    assert_eq!(code, 7, "the binary's own exit code; {stderr}");
    assert!(log.starts_with("cargo build --quiet --release --bin flowmill --manifest-path "), "{log}");
    assert!(log.ends_with("word <train>\nword <multigoal>\nword <--set>\nword <a b>\n"), "{log}");
    assert!(!log.contains("apt-get"), "{log}");
}

#[test]
fn test_runs_every_test_in_release() {
    let (code, log, stderr) = Machine::new().with_driver().launch(&["test", "--test", "cli"]);
    assert_eq!((code, log.as_str()), (0, "cargo test --release --test cli, REQUIRE_GPU\n"), "{stderr}");
}

#[test]
fn without_a_driver_the_tests_say_what_they_run_and_install_it() {
    let (code, log, stderr) = Machine::new().with_apt().launch(&["--yes", "test"]);
    assert_eq!(code, 0, "{stderr}");
    let install = "apt-get install -y --no-install-recommends libvulkan1 mesa-vulkan-drivers";
    assert_eq!(log, format!("apt-get update\n{install}\ncargo test --release, REQUIRE_GPU\n"));
    assert!(stderr.contains("    apt-get update\n") && stderr.contains(install), "{stderr}");
}

#[test]
fn where_no_driver_can_be_installed_the_tests_run_on_the_cpu_engine_and_it_says_what_is_missing() {
    let (code, log, stderr) = Machine::new().launch(&["test"]);
    assert_eq!((code, log.as_str()), (0, "cargo test --release\n"), "{stderr}");
    for word in ["mesa-vulkan-drivers", "vulkan-swrast", "CPU engine alone"] {
        assert!(stderr.contains(word), "{stderr}");
    }

    let machine = Machine::new().with_apt();
    machine.stub("bin/id", "echo 1000");
    let (code, log, stderr) = machine.launch(&["test"]);
    assert_eq!((code, log.as_str()), (0, "cargo test --release\n"), "{stderr}");
    assert!(stderr.contains("neither root nor sudo"), "{stderr}");
}

#[test]
fn without_cargo_it_says_where_to_get_it() {
    let machine = Machine::new();
    fs::remove_file(machine.0.path().join("bin/cargo")).unwrap();
    let (code, _, stderr) = machine.launch(&["train", "multigoal"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no cargo found") && stderr.contains("rustup"), "{stderr}");
}

#[test]
fn an_installation_that_fails_or_brings_nothing_is_told_and_the_tests_run_on_the_cpu_engine() {
    let on_the_cpu = (0, "cargo test --release\n".to_string());
    let machine = Machine::new();
    machine.stub("bin/apt-get", "case $1 in install) exit 100 ;; esac");
    let (code, log, stderr) = machine.launch(&["--yes", "test"]);
    assert_eq!((code, log), on_the_cpu, "{stderr}");
    assert!(stderr.contains("`apt-get install") && stderr.contains("failed"), "{stderr}");
    assert!(stderr.contains("CPU engine alone"), "{stderr}");

    let machine = Machine::new();
    machine.stub("bin/apt-get", "exit 0");
    let (code, log, stderr) = machine.launch(&["--yes", "test"]);
    assert_eq!((code, log), on_the_cpu, "{stderr}");
    assert!(stderr.contains("brought no Vulkan driver") && stderr.contains("CPU engine alone"), "{stderr}");
}
