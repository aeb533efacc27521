//! `[physics]` of env.toml, variants, and what is wrong with either.

use std::path::{Path, PathBuf};

use flowmill::env::{EnvKernels, load};

/// Copies of the models and of these environments beside them, in which `file` of the first has `from` replaced by `to`.
fn altered(names: &[&str], file: &str, from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for name in names.iter().chain(&["models"]) {
        let folder = directory.path().join(name);
        std::fs::create_dir(&folder).expect("a new folder");
        for entry in std::fs::read_dir(Path::new("envs").join(name)).expect("the folder") {
            let path = entry.expect("an entry").path();
            std::fs::copy(&path, folder.join(path.file_name().expect("a file name"))).expect("a copy");
        }
    }
    let path = directory.path().join(names[0]).join(file);
    let text = std::fs::read_to_string(&path).expect("the file");
    assert!(text.contains(from), "{} has no `{from}`", path.display());
    std::fs::write(&path, text.replacen(from, to, 1)).expect("a new file");
    let folder = directory.path().join(names[0]);
    (directory, folder)
}

/// The message in which that ends, without the folder's absolute path.
fn message(names: &[&str], file: &str, from: &str, to: &str) -> String {
    let (directory, folder) = altered(names, file, from, to);
    let error = match load(&folder.to_string_lossy()) {
        Err(error) => error,
        Ok(env) => EnvKernels::new(&env).expect_err("the altered environment is accepted"),
    };
    error.to_string().replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn a_broken_physics_section_is_answered_with_file_key_value_and_expectation() {
    let cases = [
        ("substeps = 4", "substeps = 0", "`physics.substeps` is 0, expected 1..=1000"),
        (
            "substeps = 4",
            "substeps = 5",
            "`dt` is 0.02, expected 0.025: `physics.substeps` (5) times the time step of hopper-stand/../models/hopper.xml (0.005)",
        ),
        ("substeps = 4", "substep = 4", "unknown key `physics.substep`, did you mean `substeps`?"),
        ("model = ", "# model = ", "`physics.model` is missing, expected a non-empty string"),
        ("quantities = [", "quantities = 3 # [", "`physics.quantities` is 3, expected a list of names"),
        ("quantities = [", "quantities = [2, ", "expected a list of names"),
        ("body_centre.foot", "body_centre.fot", "`physics.quantities`: `body_centre.fot`"),
        ("[constants]", "[physics.damping]\nkne = 1.0\n[constants]", "hopper.xml has no joint `kne`"),
        (
            "[constants]",
            "[physics.damping]\nknee = -1\n[constants]",
            "`physics.damping.knee` is -1, expected a number >= 0",
        ),
    ];
    for (from, to, expected) in cases {
        let error = message(&["hopper-stand"], "env.toml", from, to);
        assert!(error.starts_with("hopper-stand/env.toml: ") && error.contains(expected), "{to}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let error = message(&["hopper-stand"], "env.toml", "hopper.xml", "hoper.xml");
    assert!(error.starts_with("hopper-stand/../models/hoper.xml: "), "{error}");
}

#[test]
fn a_mistake_in_a_program_with_a_model_is_reported_at_its_own_line() {
    let text = std::fs::read_to_string("envs/hopper-stand/env.wgsl").expect("the program");
    let line = text.lines().position(|l| l.contains("physics_advance")).expect("the line") + 1;
    // One motor fewer than the model has.
    let error = message(
        &["hopper-stand"],
        "env.wgsl",
        "physics_advance((*state).physics, action)",
        "physics_advance((*state).physics, array<f32, 3>())",
    );
    assert!(error.starts_with(&format!("hopper-stand/env.wgsl:{line}:")), "{error}");
    // A name that belongs to the text behind the file.
    let error = message(&["hopper-stand"], "env.wgsl", "fn reset(", "fn tolerance() {}\nfn reset(");
    assert!(error.starts_with("hopper-stand/env.wgsl:") && error.contains("redefinition"), "{error}");
}

#[test]
fn a_variant_takes_what_it_lacks_from_the_environment_it_names() {
    let (base, variant) = (load("hopper-stand").expect("loads"), load("hopper-hop").expect("loads"));
    assert_eq!(variant.manifest.name, "hopper-hop");
    assert_ne!(variant.manifest.description, base.manifest.description);
    assert_eq!(variant.manifest.observation, base.manifest.observation);
    assert_eq!((&variant.wgsl, &variant.physics, &variant.presets), (&base.wgsl, &base.physics, &base.presets));
    let differ = variant.manifest.constants.iter().zip(&base.manifest.constants).filter(|(a, b)| a != b);
    assert_eq!(differ.map(|((name, _), _)| name.as_str()).collect::<Vec<_>>(), ["HOP"]);
    // Also from another folder: paths are those of the file that has them.
    let (_directory, folder) = altered(
        &["hopper-hop"],
        "env.toml",
        "../hopper-stand",
        &std::fs::canonicalize("envs/hopper-stand").expect("the folder").to_string_lossy(),
    );
    assert_eq!(load(&folder.to_string_lossy()).expect("loads").physics, base.physics);
}

#[test]
fn a_broken_variant_is_answered_with_the_file_that_is_wrong() {
    let variant = |from: &str, to: &str| message(&["hopper-hop", "hopper-stand"], "env.toml", from, to);
    let error = variant("HOP = 1", "HOPP = 1");
    assert_eq!(
        error,
        "hopper-hop/env.toml: `constants.HOPP`: hopper-hop/../hopper-stand/env.toml has no such constant, did you mean `HOP`?"
    );
    let error = variant("\"../hopper-stand\"", "3");
    assert_eq!(error, "hopper-hop/env.toml: `variant_of` is 3, expected the folder of an environment");
    let error = variant("../hopper-stand", "../hopper");
    assert!(error.starts_with("hopper-hop/../hopper/env.toml: "), "{error}");
    let error = variant("../hopper-stand", "../hopper-hop");
    assert!(
        error.contains("`variant_of` is \"../hopper-hop\", expected an environment that is no variant itself"),
        "{error}"
    );
    let error = variant("[constants]", "[constants]\nSPEED = inf");
    assert!(error.starts_with("hopper-hop/env.toml: `constants.SPEED` is inf"), "{error}");
    let (_directory, folder) = altered(&["hopper-stand", "hopper-hop"], "env.toml", "horizon = 1000", "horizon = 0");
    let error =
        load(&folder.with_file_name("hopper-hop").to_string_lossy()).expect_err("the base is broken").to_string();
    assert!(error.contains("hopper-hop/../hopper-stand/env.toml: `horizon` is 0"), "{error}");
}
