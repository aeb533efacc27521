//! One WGSL module in the languages of all three back ends, without an adapter.

use naga::back::{hlsl, msl, spv};

use super::module::{self, ModuleError};

/// A module as each driver would get it from an unchecked engine.
#[derive(Clone, Debug)]
pub struct Targets {
    /// SPIR-V 1.3 words (Vulkan).
    pub spirv: Vec<u32>,
    /// Metal Shading Language 2.4.
    pub msl: String,
    /// HLSL, shader model 5.1: the oldest one that wgpu feeds to DirectX 12.
    pub hlsl: String,
}

/// Runs naga's SPIR-V, MSL and HLSL writers; the error names the writer that refused the module.
pub fn validate_targets(wgsl: &str) -> Result<Targets, ModuleError> {
    let (module, info) = module::validate(wgsl, "wgsl")?;
    let entry = module::entry_point(&module)?;
    let refused = |language: &str, error: &dyn std::fmt::Display| ModuleError(format!("{language} writer: {error}"));

    let options = spv::Options {
        lang_version: (1, 3),
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        ..Default::default()
    };
    let spirv = spv::write_vec(&module, &info, &options, None).map_err(|error| refused("SPIR-V", &error))?;

    // Lengths of runtime-sized arrays and immediates travel in buffers of their own on Metal.
    let resources =
        msl::EntryPointResources { immediates_buffer: Some(29), sizes_buffer: Some(30), ..Default::default() };
    let options = msl::Options {
        lang_version: (2, 4),
        per_entry_point_map: [(entry.name.clone(), resources)].into(),
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    let (msl, report) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
        .map_err(|error| refused("MSL", &error))?;
    report.entry_point_names.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| refused("MSL", &error))?;

    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V5_1,
        // DirectX has neither immediates nor the number of workgroups: wgpu passes both as root constants.
        immediates_target: Some(root_constants(8)),
        special_constants_binding: Some(root_constants(9)),
        zero_initialize_workgroup_memory: false,
        restrict_indexing: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    let mut hlsl = String::new();
    let pipeline = hlsl::PipelineOptions::default();
    let report = hlsl::Writer::new(&mut hlsl, &options, &pipeline)
        .write(&module, &info, None)
        .map_err(|error| refused("HLSL", &error))?;
    report.entry_point_names.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| refused("HLSL", &error))?;
    Ok(Targets { spirv, msl, hlsl })
}

fn root_constants(space: u8) -> hlsl::BindTarget {
    hlsl::BindTarget { space, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_module_is_written_in_three_languages() {
        let targets = validate_targets(
            "struct Sizes { n: u32 }
            var<immediate> sizes: Sizes;
            @group(0) @binding(0) var<storage, read_write> y: array<f32>;
            @compute @workgroup_size(64)
            fn fill(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
                if (id.x < min(sizes.n, arrayLength(&y))) { y[id.x] = f32(groups.x); }
            }",
        )
        .unwrap();
        assert_eq!(targets.spirv.first(), Some(&0x0723_0203), "SPIR-V magic number");
        assert!(targets.msl.contains("kernel void fill"), "{}", targets.msl);
        assert!(targets.hlsl.contains("numthreads(64, 1, 1)"), "{}", targets.hlsl);
    }

    #[test]
    fn immediates_outside_a_struct_are_refused_because_of_hlsl() {
        let text = "var<immediate> n: u32;
            @group(0) @binding(0) var<storage, read_write> y: array<u32>;
            @compute @workgroup_size(1) fn main() { y[0] = n; }";
        assert!(validate_targets(text).unwrap_err().0.starts_with("HLSL writer"));
    }

    #[test]
    fn broken_modules_are_refused_with_their_line() {
        let error = validate_targets("@compute @workgroup_size(1) fn main() {\n  let x = y;\n}").unwrap_err();
        assert!(error.0.contains(":2:"), "{error}");
    }
}
