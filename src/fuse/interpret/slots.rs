//! Slots of the arena by liveness: values that never live at the same time share memory.

use super::map::ROWS;
use super::plan::{Instr, Place};

/// When a slot is touched first and last, in steps of the program.
#[derive(Clone, Copy, Debug)]
struct Life {
    first: usize,
    last: usize,
}

/// First words of slots of the given numbers of features, from `start` on, and the end of the last.
pub fn allocate(instrs: &[Instr], features: &[usize], first_slot: usize, start: usize) -> (Vec<usize>, usize) {
    let mut lives: Vec<Option<Life>> = vec![None; features.len()];
    walk(instrs, &mut 0, first_slot, &mut lives);
    let mut order: Vec<usize> = (0..features.len()).filter(|s| lives[*s].is_some()).collect();
    order.sort_by_key(|s| lives[*s].map(|life| life.first));
    let mut placed: Vec<(Life, usize, usize)> = Vec::new();
    let mut slots = vec![start; features.len()];
    let mut end = start;
    for slot in order {
        let Some(life) = lives[slot] else { continue };
        let words = features[slot] * ROWS;
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|(other, ..)| other.first <= life.last && life.first <= other.last)
            .map(|(_, from, to)| (*from, *to))
            .collect();
        taken.sort();
        let mut at = start;
        for (from, to) in taken {
            if at + words <= from {
                break;
            }
            at = at.max(to);
        }
        slots[slot] = at;
        end = end.max(at + words);
        placed.push((life, at, at + words));
    }
    (slots, end)
}

fn walk(instrs: &[Instr], step: &mut usize, first_slot: usize, lives: &mut [Option<Life>]) {
    for instr in instrs {
        let now = *step;
        *step += 1;
        for Place { base, .. } in instr.places() {
            if let Some(slot) = base.checked_sub(first_slot) {
                let life = lives[slot].get_or_insert(Life { first: now, last: now });
                life.last = now;
            }
        }
        if let Instr::Loop { body, .. } = instr {
            walk(body, step, first_slot, lives);
            let end = *step;
            *step += 1;
            // What was there before the loop and is used inside is needed by the next iteration too.
            for life in lives.iter_mut().flatten() {
                if life.first < now && life.last > now {
                    life.last = life.last.max(end);
                }
            }
        }
    }
}
