//! The fixtures of the float64 reference, and random numbers.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::tensor::{Device, Tensor};
use safetensors::{Dtype, SafeTensors};

use crate::loss::{Activation, Batch, Network, Setup, ValueLoss, loss, node, tensor};

/// Largest error over a tensor's largest entry.
const TOLERANCE: f64 = 1e-4;

/// Values and leading dimension of every tensor of a file.
type File = BTreeMap<String, (Vec<f64>, usize)>;

fn read(name: &str) -> Result<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures");
    let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).with_context(|| name.to_string())?;
    let mut file = File::new();
    for (name, view) in SafeTensors::deserialize(&bytes)?.tensors() {
        let values: Vec<f64> = match view.dtype() {
            Dtype::F32 => {
                view.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect()
            }
            Dtype::F64 => {
                view.data().chunks_exact(8).filter_map(|b| Some(f64::from_le_bytes(b.try_into().ok()?))).collect()
            }
            other => bail!("tensor `{name}` is {other:?}, expected F32 or F64"),
        };
        let rows = if view.shape().len() > 1 { view.shape()[0] } else { 1 };
        file.insert(name, (values, rows));
    }
    Ok(file)
}

/// An error that names what differs if loss terms or gradients are not those of a fixture.
pub fn check(name: &str, device: &Device) -> Result<()> {
    let (file, want) = (read(name)?, read(&format!("{name}_out"))?);
    let number = |key: &str| file.get(key).and_then(|(v, _)| v.first()).copied().with_context(|| format!("no `{key}`"));
    let values = |key: &str| -> Result<Vec<f32>> {
        Ok(file.get(key).with_context(|| format!("no `{key}`"))?.0.iter().map(|v| *v as f32).collect())
    };
    let rows = file.get("obs").context("no `obs`")?.1;
    let layers = file.keys().filter(|k| k.starts_with("actor.mlp.") && k.ends_with(".b")).count();
    let widths: Vec<usize> = (0..layers).filter_map(|i| Some(file.get(&format!("actor.mlp.{i}.b"))?.0.len())).collect();
    let (act, hidden) = widths.split_last().context("no layers")?;
    let setup = Setup {
        obs: values("obs")?.len() / rows,
        act: *act,
        hidden: hidden.to_vec(),
        embed: values("actor.s.b")?.len(),
        steps: number("n_steps")? as usize,
        activation: [Activation::Mish, Activation::Elu][number("act")? as usize],
        w_b: number("w_b")? as f32,
        w_g: number("w_g")? as f32,
        value: [ValueLoss::ClippedMax, ValueLoss::ClippedDirect, ValueLoss::Mse][number("value_mode")? as usize],
        value_coef: number("value_coef")? as f32,
        clip: number("clip")? as f32,
        value_clip: number("value_clip")? as f32,
    };
    let named = |prefixes: &[&str]| -> BTreeMap<String, Tensor<2>> {
        let chosen = file.iter().filter(|(k, _)| prefixes.iter().any(|p| k.starts_with(p)) && *k != "actor.freqs");
        chosen.map(|(k, (v, rows))| (k.clone(), tensor(v.iter().map(|v| *v as f32).collect(), *rows, device))).collect()
    };
    let freqs = tensor(values("actor.freqs")?, 1, device);
    let network = Network::new(&setup, named(&["actor.", "critic."]), named(&["old."]), freqs);
    let wide = |key: &str| -> Result<Tensor<2>> { Ok(tensor(values(key)?, rows, device)) };
    let nodes = values("t")?.iter().map(|t| (t * 2.0 * setup.steps as f32).round() as i32).collect();
    let batch = Batch {
        obs: wide("obs")?,
        z: wide("z")?,
        phi1: wide("phi1")?,
        n: wide("n")?,
        logp_old: wide("logp_old")?,
        adv: wide("adv")?,
        v_old: wide("v_old")?,
        ret: wide("ret")?,
        node: node(nodes, device),
    };
    let (total, terms) = loss(&setup, &network, &batch);
    let gradients = total.backward();
    let compare = |key: &str, got: Vec<f32>| -> Result<()> {
        let wanted = &want.get(key).with_context(|| format!("{name}: no `{key}`"))?.0;
        let error = got.iter().zip(wanted).map(|(g, w)| (f64::from(*g) - w).abs()).fold(0.0, f64::max);
        // A KL of rounding alone is judged against numbers of order one.
        let least = if key == "kl" { 1e-2 } else { 1e-30 };
        let largest = wanted.iter().map(|w| w.abs()).fold(least, f64::max);
        if got.len() != wanted.len() || error.is_nan() || error > TOLERANCE * largest {
            bail!("{name}: `{key}` differs by {:.1e} of its largest entry", error / largest);
        }
        Ok(())
    };
    for (key, value) in terms {
        compare(key, value.into_data().to_vec()?)?;
    }
    for (key, value) in &network.trained {
        let gradient = value.grad(&gradients).with_context(|| format!("{name}: no gradient of `{key}`"))?;
        compare(&format!("grad.{key}"), gradient.into_data().to_vec()?)?;
    }
    Ok(())
}

/// Standard normal numbers of a small generator; their quality does not matter.
pub struct Normal(u64);

impl Normal {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// So many of them.
    pub fn vector(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0).collect()
    }

    fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
}
