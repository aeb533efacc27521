//! The environments with a model: observation, reward and step against dm_control's and Gymnasium-Robotics' numbers, starts against
//! their definition, and the checker.

#[path = "../common/mod.rs"]
mod common;

mod checks;
mod quadcopter;
mod starts;
mod steps;
mod support;
