//! Why a verb ended early: one line, and whose fault it is.

use std::fmt;
use std::process::ExitCode;

use flowmill::algo::{GradientError, SettingsError};
use flowmill::engine::EngineError;
use flowmill::env::EnvError;
use flowmill::ir::GraphError;
use flowmill::plot::PlotError;
use flowmill::render::RenderError;
use flowmill::report::ReportError;
use flowmill::train::TrainError;

/// A failure with its message.
#[derive(Debug)]
pub enum Failure {
    /// The input is wrong: exit code 2.
    Input(String),
    /// The run failed: exit code 1.
    Run(String),
}

impl Failure {
    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Run(_) => ExitCode::from(1),
            Failure::Input(_) => ExitCode::from(2),
        }
    }

    fn new(input: bool, message: String) -> Self {
        if input { Self::Input(message) } else { Self::Run(message) }
    }

    /// The same failure with what was being done in front.
    pub fn context(self, what: impl fmt::Display) -> Self {
        match self {
            Self::Input(message) => Self::Input(format!("{what}: {message}")),
            Self::Run(message) => Self::Run(format!("{what}: {message}")),
        }
    }
}

impl fmt::Display for Failure {
    /// One line, whatever the message was made of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Input(message) | Self::Run(message)) = self;
        let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        f.write_str(&lines.join(" "))
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        Self::new(error.is_input_error(), error.to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        TrainError::from(error).into()
    }
}

impl From<EnvError> for Failure {
    fn from(error: EnvError) -> Self {
        match error {
            EnvError::Engine(error) => error.into(),
            error => Self::Input(error.to_string()),
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<GraphError> for Failure {
    fn from(error: GraphError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<GradientError> for Failure {
    fn from(error: GradientError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        Self::new(error.is_input_error(), error.to_string())
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::Env(error) => (*error).into(),
            RenderError::Train(error) => (*error).into(),
            RenderError::Unknown(_) => Self::Input(error.to_string()),
            RenderError::NotFinite { .. } | RenderError::Drawing(_) => Self::Run(error.to_string()),
        }
    }
}

impl From<PlotError> for Failure {
    fn from(error: PlotError) -> Self {
        match error {
            PlotError::File(error) => error.into(),
            PlotError::Empty(_) => Self::Input(error.to_string()),
            PlotError::Drawing(_) => Self::Run(error.to_string()),
        }
    }
}
