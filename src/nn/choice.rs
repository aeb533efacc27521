//! Named choices: enums that are written as a word in settings, with the nearest word offered for an unknown one.

/// The candidate most similar to `word`, or `None` where nothing is similar.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// "; did you mean `x`?", or nothing where no candidate is similar.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|c| format!("; did you mean `{c}`?")).unwrap_or_default()
}

/// A word that names none of the choices.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{word:?}, expected one of {}{}", .expected.join(", "), suggestion(.word, .expected.iter().copied()))]
pub struct UnknownChoice {
    /// What was given.
    pub word: String,
    /// What is known.
    pub expected: Vec<&'static str>,
}

/// Declares an enum of unit variants, each with its word: `ALL`, `word`, `Display`, `FromStr` and serde by the word.
macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every choice, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The word that names this choice in settings.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::nn::UnknownChoice;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|choice| choice.word() == word).ok_or_else(|| {
                    let expected = Self::ALL.iter().map(|choice| choice.word()).collect();
                    $crate::nn::UnknownChoice { word: word.to_string(), expected }
                })
            }
        }

        impl From<$name> for String {
            fn from(choice: $name) -> String {
                choice.word().to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::nn::UnknownChoice;
            fn try_from(word: String) -> Result<Self, Self::Error> {
                word.parse()
            }
        }
    };
}
pub(crate) use choice;
