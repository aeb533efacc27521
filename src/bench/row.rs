//! A row: what was measured, under a name that is a path.

use serde::{Deserialize, Serialize};

use super::clock::Samples;

/// What a row's median counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Unit {
    /// Microseconds of one run.
    #[serde(rename = "us")]
    Microseconds,
    /// 10^9 floating-point operations a second.
    #[serde(rename = "GFLOP/s")]
    Gflops,
    /// 10^9 bytes a second.
    #[serde(rename = "GB/s")]
    Gbytes,
    /// One time over another.
    #[serde(rename = "ratio")]
    Ratio,
}

impl Unit {
    /// Whether less is better.
    pub fn is_cost(self) -> bool {
        matches!(self, Self::Microseconds | Self::Ratio)
    }
}

/// One measurement.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Path of the row, such as `kernel/adamw/quadruped`.
    pub name: String,
    /// What `median` counts.
    pub unit: Unit,
    /// Median over the rounds.
    pub median: f64,
    /// Distance of the quartiles over the median.
    pub spread: f64,
    /// Rounds.
    pub samples: usize,
    /// Counted arithmetic over the time, in GFLOP/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gflops: Option<f64>,
    /// Counted traffic over the time, in GB/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gbytes: Option<f64>,
    /// Share of the adapter's measured FMA rate or copy bandwidth, whichever is nearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Which of the two: `fma` or `copy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<String>,
    /// Environment steps a second of the environment alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_steps_per_second: Option<f64>,
    /// Of environment and policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_policy_steps_per_second: Option<f64>,
    /// Of a whole iteration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps_per_second: Option<f64>,
    /// Of two times that were measured in turn: the same as the median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// The same ratio by counted arithmetic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_ratio: Option<f64>,
    /// Time of C MuJoCo for the same states and controls, measured in turn, over this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_ratio: Option<f64>,
    /// What measured a row that is not of the adapter: its version and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// How many states took so many Newton steps in one time step, from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub newton_iterations: Vec<u32>,
    /// What the ratio should not exceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
}

impl Row {
    /// A row without anything counted.
    pub fn new(name: impl Into<String>, unit: Unit, samples: &Samples) -> Self {
        Self {
            name: name.into(),
            unit,
            median: samples.median(),
            spread: samples.spread(),
            samples: samples.count(),
            gflops: None,
            gbytes: None,
            share: None,
            ceiling: None,
            env_steps_per_second: None,
            env_policy_steps_per_second: None,
            steps_per_second: None,
            ratio: None,
            counted_ratio: None,
            peer_ratio: None,
            peer: None,
            newton_iterations: Vec::new(),
            limit: None,
        }
    }

    /// A row of times in seconds.
    pub fn time(name: impl Into<String>, seconds: &Samples) -> Self {
        Self::new(name, Unit::Microseconds, &seconds.map(|seconds| seconds * 1e6))
    }

    /// A row of two times that were measured in turn.
    pub fn ratio(name: impl Into<String>, ratio: &Samples, counted: Option<f64>) -> Self {
        let row = Self::new(name, Unit::Ratio, ratio);
        Self { ratio: Some(row.median), counted_ratio: counted, ..row }
    }

    /// Seconds of a row of times.
    pub fn seconds(&self) -> f64 {
        self.median * 1e-6
    }
}
