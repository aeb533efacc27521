//! Evaluations beside training.

use flowmill::train::{EvalNoise, Evaluator, Trainer};

use crate::common::device::{On, on_both_engines};
use crate::support::*;

on_both_engines!(evaluations_repeat_differ_by_round_ignore_the_batch_and_leave_training_alone,);

fn evaluator(trainer: &mut Trainer, noise: EvalNoise) -> Evaluator {
    let buffers = trainer.parameter_buffers();
    Evaluator::new(trainer.split(), buffers, noise, 4096, 4096 * 11).unwrap()
}

fn evaluations_repeat_differ_by_round_ignore_the_batch_and_leave_training_alone(on: On) {
    let environment = environment("multigoal");
    let algorithm = small(&environment, "policyflow", &[]);
    let mut alone = trainer(on, &environment, &algorithm, 2);
    train(&mut alone, 2);
    let expected = state(&mut alone);
    drop(alone);

    let mut trainer = trainer(on, &environment, &algorithm, 2);
    let sampled = evaluator(&mut trainer, EvalNoise::Sample);
    let zero = evaluator(&mut trainer, EvalNoise::Zero);
    train(&mut trainer, 1);
    let engine = trainer.engine();
    let first = sampled.run(engine, 100, 10, 4, 0).unwrap();
    assert_eq!(first, sampled.run(engine, 100, 10, 4, 0).unwrap(), "the same round");
    assert_ne!(first.actions, sampled.run(engine, 100, 10, 4, 1).unwrap().actions, "another round");
    assert_ne!(first.actions, sampled.run(engine, 100, 10, 5, 0).unwrap().actions, "another seed");
    let (one, many) = (sampled.run(engine, 1, 10, 4, 0).unwrap(), sampled.run(engine, 4096, 10, 4, 0).unwrap());
    for t in 0..10 {
        assert_eq!(first.action(t, 0), one.action(t, 0), "environment 0 alone, step {t}");
        for env in 0..100 {
            assert_eq!(first.action(t, env), many.action(t, env), "environment {env} among 4096, step {t}");
            assert_eq!(first.observation(t, env), many.observation(t, env), "environment {env} among 4096, step {t}");
        }
        assert_ne!(first.action(t, 0), first.action(t, 1), "environments must differ for this to mean something");
    }
    assert_eq!(first.observation(0, 0), [0.0; 4], "MultiGoal is evaluated from rest at the origin");

    // Without noise every environment of MultiGoal does the same.
    let still = zero.run(engine, 100, 10, 4, 0).unwrap();
    assert_eq!(still.actions, zero.run(engine, 100, 10, 9, 3).unwrap().actions);
    for env in 1..100 {
        assert_eq!(still.action(9, env), still.action(9, 0), "environment {env}");
    }
    assert_ne!(first.actions, still.actions);

    let too_many = sampled.run(engine, 4097, 4, 4, 0).unwrap_err();
    assert!(too_many.is_input_error() && too_many.to_string().contains("20485 samples"), "{too_many}");
    train(&mut trainer, 1);
    assert_eq!(differing(&expected, &state(&mut trainer)), Vec::<String>::new(), "evaluations changed training");
}
