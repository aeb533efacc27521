//! Which slots are truths: all zeros or all ones in every lane.

use super::super::inst::{Input, Inst, Slot};
use super::super::lane::Lane;

/// For every slot whether it is a truth. `constant` knows the words of constant slots.
pub(super) fn truths(insts: &[Inst], slots: usize, constant: impl Fn(Slot) -> Option<u32>) -> Vec<bool> {
    let mut truths: Vec<bool> = (0..slots).map(|slot| matches!(constant(slot as Slot), Some(0 | u32::MAX))).collect();
    // What is assigned counts as one until a source says otherwise.
    for inst in insts {
        if let Inst::Assign { dst, .. } = inst {
            truths[*dst as usize] = true;
        }
    }
    loop {
        let mut settled = true;
        for inst in insts {
            match inst {
                Inst::Lane { op, dst, src } => {
                    let all = |sources: &[Slot]| sources.iter().all(|&s| truths[s as usize]);
                    truths[*dst as usize] = match op {
                        Lane::Equal | Lane::NotEqual | Lane::LessI | Lane::LessEqualI | Lane::LessU => true,
                        Lane::LessEqualU | Lane::NotFinite => true,
                        Lane::EqualF | Lane::NotEqualF | Lane::LessF | Lane::LessEqualF => true,
                        Lane::And | Lane::Or | Lane::Xor | Lane::AndNot => all(&src[..2]),
                        Lane::Not | Lane::Copy => all(&src[..1]),
                        Lane::Select => all(src),
                        _ => false,
                    };
                }
                Inst::Input { dst, input: Input::Active } => truths[*dst as usize] = true,
                Inst::Assign { dst, src, .. } if truths[*dst as usize] && !truths[*src as usize] => {
                    truths[*dst as usize] = false;
                    settled = false;
                }
                _ => {}
            }
        }
        if settled {
            return truths;
        }
    }
}
