//! The handwritten kernels: a WGSL file in `shaders/`, and here its description, the Rust side of its immediates, its
//! f64 reference under the same name, and the twin that the CPU engine runs.

pub mod activations;
pub mod adamw;
pub mod copy_words;
pub mod gae;
pub mod merge_moments;
pub mod multiply_add;
pub mod normalize_advantages;
pub mod observation_moments;
pub mod reduce_gradients;
pub mod sum_columns;
mod twin;
pub mod weight_gradients;

use std::sync::Arc;

use crate::engine::{CountedWork, KernelDesc, Twin};

/// WGSL text of the random-number library, to be put in front of a kernel that draws. Its twin is [`crate::rng`].
pub const RNG_WGSL: &str = include_str!("../../shaders/lib/rng.wgsl");
pub use activations::ACTIVATIONS_WGSL;
/// Moments of samples over a workgroup, in front of the kernels that put some together.
const MOMENTS_WGSL: &str = include_str!("../../shaders/lib/moments.wgsl");

/// One handwritten kernel.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name of the kernel, of its file in `shaders/`, of its module here and of its reference function.
    pub name: &'static str,
    /// Builds its description.
    pub desc: fn() -> KernelDesc,
    /// Path of its reference, in plain Rust and f64; the twin that the CPU engine runs is in the same file.
    pub reference: &'static str,
}

/// The handwritten kernels of training, in the order in which an iteration runs them.
pub const TABLE: [Entry; 8] = [
    Entry { name: "sum_columns", desc: sum_columns::desc, reference: "kernels::sum_columns::sum_columns" },
    Entry { name: "gae", desc: gae::desc, reference: "kernels::gae::gae" },
    Entry {
        name: "normalize_advantages",
        desc: normalize_advantages::desc,
        reference: "kernels::normalize_advantages::normalize_advantages",
    },
    Entry {
        name: "weight_gradients",
        desc: weight_gradients::desc,
        reference: "kernels::weight_gradients::weight_gradients",
    },
    Entry {
        name: "reduce_gradients",
        desc: reduce_gradients::desc,
        reference: "kernels::reduce_gradients::reduce_gradients",
    },
    Entry { name: "adamw", desc: adamw::desc, reference: "kernels::adamw::adamw" },
    Entry {
        name: "observation_moments",
        desc: observation_moments::desc,
        reference: "kernels::observation_moments::observation_moments",
    },
    Entry { name: "merge_moments", desc: merge_moments::desc, reference: "kernels::merge_moments::merge_moments" },
];

/// The rows of [`TABLE`] that a run has: those of the observation normaliser, which are the last two, only where there is one.
pub fn of_run(normalizes: bool) -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().take(if normalizes { TABLE.len() } else { TABLE.len() - 2 })
}

/// The kernels that an adapter's ceilings are measured with; training runs none of them.
pub const CEILINGS: [Entry; 2] = [
    Entry { name: "multiply_add", desc: multiply_add::desc, reference: "kernels::multiply_add::multiply_add" },
    Entry { name: "copy_words", desc: copy_words::desc, reference: "kernels::copy_words::copy_words" },
];

/// The description of a handwritten kernel.
fn describe(
    name: &'static str,
    wgsl: &str,
    bindings: &[&str],
    work: CountedWork,
    twin: impl Twin + 'static,
) -> KernelDesc {
    KernelDesc {
        name: name.to_string(),
        wgsl: wgsl.to_string(),
        bindings: bindings.iter().map(|b| b.to_string()).collect(),
        work,
        twin: Some(Arc::new(twin)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use naga::{AddressSpace, ShaderStage};

    fn parsed(name: &str, wgsl: &str) -> naga::Module {
        let module =
            naga::front::wgsl::parse_str(wgsl).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(wgsl)));
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::all())
            .validate(&module)
            .unwrap_or_else(|e| panic!("{name}: {e:?}"));
        module
    }

    #[test]
    fn every_kernel_has_one_name_everywhere_and_a_twin() {
        for entry in TABLE.iter().chain(&CEILINGS) {
            let desc = (entry.desc)();
            assert_eq!(desc.name, entry.name);
            assert!(desc.twin.is_some(), "{}", entry.name);
            assert!(entry.reference.ends_with(&format!("{0}::{0}", entry.name)));
            let module = parsed(entry.name, &desc.wgsl);
            let compute: Vec<_> = module.entry_points.iter().filter(|e| e.stage == ShaderStage::Compute).collect();
            assert_eq!(compute.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), [entry.name]);
        }
    }

    #[test]
    fn a_run_without_a_normaliser_has_all_kernels_but_its_two() {
        let names = |normalizes| of_run(normalizes).map(|entry| entry.name).collect::<Vec<_>>();
        let (all, without) = (names(true), names(false));
        assert_eq!(all, TABLE.map(|entry| entry.name));
        assert_eq!(all[without.len()..], ["observation_moments", "merge_moments"]);
        assert_eq!(all[..without.len()], without);
    }

    #[test]
    fn bindings_are_listed_in_binding_order_and_limits_hold() {
        for entry in TABLE.iter().chain(&CEILINGS) {
            let desc = (entry.desc)();
            let module = parsed(entry.name, &desc.wgsl);
            let mut buffers = Vec::new();
            let mut workgroup_bytes = 0;
            for (_, variable) in module.global_variables.iter() {
                let size = module.types[variable.ty].inner.size(module.to_ctx());
                match variable.space {
                    AddressSpace::Storage { .. } => {
                        let binding = variable.binding.as_ref().map_or(u32::MAX, |b| b.binding);
                        buffers.push((binding, variable.name.clone().unwrap_or_default()));
                    }
                    AddressSpace::WorkGroup => workgroup_bytes += size,
                    AddressSpace::Immediate => assert!(size <= 128, "{}: {size} bytes of immediates", desc.name),
                    _ => {}
                }
            }
            buffers.sort();
            assert_eq!(buffers.into_iter().map(|(_, name)| name).collect::<Vec<_>>(), desc.bindings, "{}", desc.name);
            assert!(desc.bindings.len() <= 8);
            assert!(workgroup_bytes <= 16 * 1024, "{}: {workgroup_bytes}", desc.name);
            for entry_point in &module.entry_points {
                assert!(entry_point.workgroup_size.iter().product::<u32>() <= 256);
            }
        }
    }

    #[test]
    fn immediates_have_the_size_of_their_wgsl_struct() {
        let sizes = [
            ("sum_columns", size_of::<sum_columns::SumColumnsArgs>()),
            ("gae", size_of::<gae::GaeArgs>()),
            ("normalize_advantages", size_of::<normalize_advantages::NormalizeArgs>()),
            ("weight_gradients", size_of::<weight_gradients::WeightGradientArgs>()),
            ("reduce_gradients", size_of::<reduce_gradients::ReduceArgs>()),
            ("adamw", size_of::<adamw::AdamwArgs>()),
            ("observation_moments", size_of::<observation_moments::MomentsArgs>()),
            ("merge_moments", size_of::<merge_moments::MergeArgs>()),
            ("multiply_add", size_of::<multiply_add::MultiplyAddArgs>()),
            ("copy_words", size_of::<copy_words::CopyArgs>()),
        ];
        assert_eq!(sizes.len(), TABLE.len() + CEILINGS.len());
        for (entry, (name, size)) in TABLE.iter().chain(&CEILINGS).zip(sizes) {
            assert_eq!(entry.name, name);
            let module = parsed(name, &(entry.desc)().wgsl);
            let args = module.global_variables.iter().find(|(_, v)| v.space == AddressSpace::Immediate);
            let wgsl = args.map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx()) as usize);
            assert_eq!(wgsl, Some(size), "{name}");
        }
    }

    #[test]
    fn every_kernel_passes_the_writers_of_all_back_ends() {
        for entry in TABLE.iter().chain(&CEILINGS) {
            crate::engine::validate_targets(&(entry.desc)().wgsl).unwrap_or_else(|e| panic!("{}: {e}", entry.name));
        }
    }

    #[test]
    fn libraries_are_valid_modules_of_their_own() {
        for (name, wgsl) in [("rng", RNG_WGSL), ("activations", ACTIVATIONS_WGSL)] {
            parsed(name, wgsl);
        }
        parsed("both", &format!("{RNG_WGSL}{ACTIVATIONS_WGSL}"));
    }
}
