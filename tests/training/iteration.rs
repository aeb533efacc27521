//! An iteration as a recording: dispatches, waits, readbacks, minibatches.

use flowmill::engine::{Command, Dispatch};
use flowmill::fuse::TileArgs;
use flowmill::rng::Key;
use flowmill::train::Trainer;

use crate::common::device::{On, on_both_engines};
use crate::support::*;

on_both_engines!(
    an_iteration_has_the_predicted_dispatches_within_the_budget_and_never_waits_or_reads_back_inside,
    the_minibatches_of_an_epoch_visit_every_sample_once_and_every_epoch_in_another_order,
);

/// Streams of the shuffles: epoch e has this plus e (`train::iteration::SHUFFLE`).
const SHUFFLE: u32 = 0x200;

/// Dispatches of an iteration: those of the rollout, `4 E M`, the derived tensors, value of the last observation,
/// advantages and their normalisation, statistics; the first one also resets the environments. A normaliser of
/// observations has two more.
fn predicted(rollout: usize, epochs: usize, minibatches: usize, prepared: usize, first: bool) -> usize {
    rollout + 4 * epochs * minibatches + prepared + 4 + usize::from(first)
}

fn an_iteration_has_the_predicted_dispatches_within_the_budget_and_never_waits_or_reads_back_inside(on: On) {
    for (name, prepared, more) in [("policyflow", 2, "false"), ("ppo", 0, "false"), ("ppo", 2, "true")] {
        let environment = environment("multigoal");
        let normalizes = format!("normalize_observations={more}");
        let algorithm = small(&environment, name, &["epochs=3", "minibatches=2", &normalizes]);
        let mut trainer = trainer(on, &environment, &algorithm, 1);
        // All seven steps of so few light environments are one dispatch.
        assert_eq!(trainer.dispatch_budget(), 1 + 4 * 3 * 2 + 16);
        for iteration in 0..3 {
            let expected = predicted(1, 3, 2, prepared, iteration == 0);
            assert!(expected <= trainer.dispatch_budget());
            let (collect, learn) = trainer.recordings();
            assert_eq!(collect.dispatches() + learn.dispatches(), expected, "{name}, iteration {iteration}");
            for command in collect.commands().iter().chain(learn.commands()) {
                assert!(!matches!(command, Command::Readback { .. }), "{name}: a readback inside: {command:?}");
                assert!(!matches!(command, Command::Upload { .. }), "{name}: an upload inside: {command:?}");
            }
            let before = trainer.engine().counters();
            trainer.step().unwrap();
            let spent = trainer.engine().counters() - before;
            assert_eq!((spent.waits, spent.dispatches), (0, expected as u64), "{name}, iteration {iteration}");
            // The end of the rollout, the control words, the statistics: tickets that nothing waits for.
            assert_eq!(spent.readbacks, 3, "{name}, iteration {iteration}");
            assert!(spent.bytes_read <= 4 + 16 + 4 * (8 + 16), "{name}: {} bytes are read back", spent.bytes_read);
            // Two recordings; a GPU gets them in parts of so many dispatches.
            let [collect, learn] = [&collect, &learn].map(|recording| recording.dispatches().div_ceil(64) as u64);
            let allowed = if on == On::Cpu { 2 } else { collect + learn };
            assert!((2..=allowed).contains(&spent.submits), "{name}: {} submits, {allowed} allowed", spent.submits);
        }
        let before = trainer.engine().counters();
        let metrics = trainer.drain().unwrap();
        assert_eq!(metrics.iter().map(|m| m.iteration).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(metrics[2].env_steps, 3 * 60 * 7);
        assert_eq!((trainer.engine().counters() - before).waits, 0, "metrics are collected without waiting");
        assert_eq!(trainer.under_way(), 0);
    }
}

/// Arguments of the update kernel in an iteration: its dispatches are the first of each minibatch.
fn updates(trainer: &Trainer) -> Vec<TileArgs> {
    let (_, learn) = trainer.recordings();
    let dispatches: Vec<&Dispatch> = learn
        .commands()
        .iter()
        .filter_map(|command| if let Command::Dispatch(dispatch) = command { Some(dispatch) } else { None })
        .collect();
    let update = dispatches[0].kernel;
    let args = dispatches.iter().filter(|d| d.kernel == update);
    args.map(|d| bytemuck::pod_read_unaligned(&learn.bytes(d.immediates)[..size_of::<TileArgs>()])).collect()
}

fn the_minibatches_of_an_epoch_visit_every_sample_once_and_every_epoch_in_another_order(on: On) {
    let environment = environment("multigoal");
    let algorithm = small(&environment, "policyflow", &["epochs=3"]);
    let mut trainer = trainer(on, &environment, &algorithm, 9);
    let mut orders = vec![];
    for iteration in 0..2 {
        let updates = updates(&trainer);
        for epoch in 0..3 {
            let key = Key { seed: 9, stream: SHUFFLE + epoch, iteration };
            let of_epoch: Vec<_> = updates.iter().filter(|u| u.shuffle_stream == key.stream).collect();
            assert_eq!(of_epoch.iter().map(|u| u.rows).collect::<Vec<_>>(), [105; 4]);
            let mut order = vec![];
            for update in of_epoch {
                assert_eq!((update.shuffle_count, update.iteration, update.step), (420, iteration, epoch));
                assert_eq!((update.seed_lo, update.seed_hi), (9, 0));
                order.extend((0..update.rows).map(|row| key.shuffled(update.first_row + row, update.shuffle_count)));
            }
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..420), "epoch {epoch} of iteration {iteration} is no partition");
            orders.push(order);
        }
        train(&mut trainer, 1);
    }
    for (i, a) in orders.iter().enumerate() {
        for b in &orders[..i] {
            let same = a.iter().zip(b).filter(|(x, y)| x == y).count();
            assert!(same < 20, "{same} of 420 samples keep their place from one epoch to another");
        }
    }
}
