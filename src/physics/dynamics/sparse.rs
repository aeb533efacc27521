//! Symmetric matrices over the degrees of freedom, with the non-zeros of a [`Pattern`].

use super::scalar::Scalar;
use crate::physics::model::Pattern;

/// A symmetric matrix; its pattern is kept beside it.
#[derive(Debug, Clone)]
pub struct Symmetric<'p, S> {
    /// Where its values are.
    pub pattern: &'p Pattern,
    /// Lower triangle, row after row.
    pub values: Vec<S>,
}

/// The factors L and D of a matrix LᵀDL, in the pattern of the matrix.
#[derive(Debug, Clone)]
pub struct Factors<'p, S>(Symmetric<'p, S>);

impl<'p, S: Scalar> Symmetric<'p, S> {
    /// Zero.
    pub fn zero(pattern: &'p Pattern) -> Self {
        Self { pattern, values: vec![S::zero(); pattern.values()] }
    }

    /// Adds to an entry and to its mirror image.
    pub fn add(&mut self, i: usize, j: usize, value: S) {
        let place = self.pattern.at(i, j);
        self.values[place] = self.values[place] + value;
    }

    /// The same matrix in a pattern that holds this one's.
    pub fn widened<'w>(&self, pattern: &'w Pattern) -> Symmetric<'w, S> {
        let mut wide = Symmetric::zero(pattern);
        for i in 0..self.pattern.size() {
            for (k, &j) in self.pattern.row(i).iter().enumerate() {
                wide.values[pattern.at(i, j)] = self.values[self.pattern.start(i) + k];
            }
            wide.values[pattern.diagonal(i)] = self.values[self.pattern.diagonal(i)];
        }
        wide
    }

    /// Matrix times vector.
    pub fn times(&self, x: &[S]) -> Vec<S> {
        let mut y: Vec<S> = (0..x.len()).map(|i| self.values[self.pattern.diagonal(i)] * x[i]).collect();
        for i in 0..x.len() {
            for (k, &j) in self.pattern.row(i).iter().enumerate() {
                let value = self.values[self.pattern.start(i) + k];
                y[i] = y[i] + value * x[j];
                y[j] = y[j] + value * x[i];
            }
        }
        y
    }

    /// Factors of a positive definite matrix; the pattern is closed, so nothing falls outside it.
    pub fn factor(mut self) -> Factors<'p, S> {
        let pattern = self.pattern;
        for i in (0..pattern.size()).rev() {
            let (row, start) = (pattern.row(i), pattern.start(i));
            let inverse = S::of(1.0) / self.values[pattern.diagonal(i)];
            for (a, &j) in row.iter().enumerate() {
                let factor = self.values[start + a] * inverse;
                for (b, &k) in row[..=a].iter().enumerate() {
                    let place = pattern.at(j, k);
                    self.values[place] = self.values[place] - factor * self.values[start + b];
                }
            }
            for a in 0..row.len() {
                self.values[start + a] = self.values[start + a] * inverse;
            }
            self.values[pattern.diagonal(i)] = inverse;
        }
        Factors(self)
    }
}

impl<S: Scalar> Factors<'_, S> {
    /// Solves for one right-hand side.
    pub fn solve(&self, b: &[S]) -> Vec<S> {
        let Symmetric { pattern, values } = &self.0;
        let mut x = b.to_vec();
        for i in (0..x.len()).rev() {
            for (k, &j) in pattern.row(i).iter().enumerate() {
                x[j] = x[j] - values[pattern.start(i) + k] * x[i];
            }
        }
        for i in 0..x.len() {
            x[i] = x[i] * values[pattern.diagonal(i)];
            for (k, &j) in pattern.row(i).iter().enumerate() {
                x[i] = x[i] - values[pattern.start(i) + k] * x[j];
            }
        }
        x
    }
}

/// Scalar product.
pub(super) fn dot<S: Scalar>(a: &[S], b: &[S]) -> S {
    a.iter().zip(b).fold(S::zero(), |sum, (&x, &y)| sum + x * y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_of_a_branched_matrix_solve_it() {
        let pattern = Pattern::of(4, [&[0, 1, 2][..], &[0, 3]]);
        let mut matrix = Symmetric::<f64>::zero(&pattern);
        for (i, j, value) in
            [(0, 0, 5.0), (1, 1, 4.0), (2, 2, 3.0), (3, 3, 2.0), (1, 0, 1.0), (2, 0, -0.5), (2, 1, 0.7), (3, 0, 0.9)]
        {
            matrix.add(i, j, value);
        }
        let x = [1.0, -2.0, 3.0, 0.5];
        let found = matrix.clone().factor().solve(&matrix.times(&x));
        for (a, b) in found.iter().zip(x) {
            assert!((a - b).abs() < 1e-14, "{found:?}");
        }
    }
}
