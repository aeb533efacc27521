//! Which vector instructions this processor has.

use std::fmt;
use std::str::FromStr;

/// A level of vector instructions, chosen once when an engine is opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Isa {
    /// What every processor of the target has: SSE2, or NEON with its fused multiply-add.
    Baseline,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL, beside AVX2 and FMA.
    Avx512,
}

impl Isa {
    /// The highest level of this processor.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                return Self::Avx512;
            }
            if avx2 {
                return Self::Avx2;
            }
        }
        Self::Baseline
    }

    /// This level where `best` reaches it, else what to say.
    pub(crate) fn within(self, best: Self) -> Result<Self, String> {
        if self > best {
            return Err(format!("this processor has no {self}; its best instruction set is {best}"));
        }
        Ok(self)
    }

    /// Every level that this processor has, lowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        let best = Self::detect();
        [Self::Baseline, Self::Avx2, Self::Avx512].into_iter().filter(move |isa| *isa <= best)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline if cfg!(target_arch = "aarch64") => "NEON",
            Self::Baseline => "baseline",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        })
    }
}

impl FromStr for Isa {
    type Err = String;

    /// `baseline`, `avx2` or `avx512`, in any case; a level that this processor lacks is refused.
    fn from_str(text: &str) -> Result<Self, String> {
        let isa = match text.to_lowercase().replace('-', "").as_str() {
            "baseline" => Self::Baseline,
            "avx2" => Self::Avx2,
            "avx512" => Self::Avx512,
            _ => return Err(format!("unknown instruction set `{text}`, expected baseline, avx2 or avx512")),
        };
        isa.within(Self::detect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_above_the_best_one_is_refused_in_one_line() {
        let refusal = Isa::Avx512.within(Isa::Avx2).unwrap_err();
        assert_eq!(refusal, "this processor has no AVX-512; its best instruction set is AVX2");
        assert_eq!(Isa::Avx2.within(Isa::Avx512), Ok(Isa::Avx2));
        assert_eq!(Isa::Baseline.within(Isa::Baseline), Ok(Isa::Baseline));
    }
}
