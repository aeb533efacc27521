//! Which entries of a symmetric matrix over the degrees of freedom can be other than zero.

/// The lower triangle's non-zeros, closed under elimination from the last row up, so that its factors have the same pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pattern {
    /// For each row the columns left of the diagonal, ascending.
    rows: Vec<Vec<usize>>,
    /// Where each row's values begin; the diagonal is the row's last value.
    starts: Vec<usize>,
}

impl Pattern {
    /// The pattern of `n` rows in which the members of each set are coupled with each other.
    pub fn of<'a>(n: usize, sets: impl IntoIterator<Item = &'a [usize]>) -> Self {
        let mut coupled = vec![vec![false; n]; n];
        for set in sets {
            for &i in set {
                for &j in set {
                    coupled[i][j] = true;
                }
            }
        }
        for i in (0..n).rev() {
            let row: Vec<usize> = (0..i).filter(|&j| coupled[i][j]).collect();
            for &j in &row {
                for &k in &row {
                    coupled[j][k] = true;
                }
            }
        }
        let rows: Vec<Vec<usize>> = (0..n).map(|i| (0..i).filter(|&j| coupled[i][j]).collect()).collect();
        let starts = rows.iter().scan(0, |next, row| Some(std::mem::replace(next, *next + row.len() + 1))).collect();
        Self { rows, starts }
    }

    /// Rows of the matrix.
    pub fn size(&self) -> usize {
        self.rows.len()
    }

    /// Values of the lower triangle with its diagonal.
    pub fn values(&self) -> usize {
        self.rows.iter().map(|row| row.len() + 1).sum()
    }

    /// Columns left of the diagonal in a row.
    pub fn row(&self, i: usize) -> &[usize] {
        &self.rows[i]
    }

    /// Where the values of a row begin.
    pub fn start(&self, i: usize) -> usize {
        self.starts[i]
    }

    /// Where the diagonal value of a row is.
    pub fn diagonal(&self, i: usize) -> usize {
        self.starts[i] + self.rows[i].len()
    }

    /// Whether an entry is in the pattern.
    pub fn holds(&self, i: usize, j: usize) -> bool {
        i == j || self.rows[i.max(j)].contains(&i.min(j))
    }

    /// Where the value of row and column is, in whichever order they are given.
    ///
    /// Only for entries of the pattern; another one gives the place of some other value.
    pub fn at(&self, i: usize, j: usize) -> usize {
        let (i, j) = (i.max(j), i.min(j));
        self.starts[i] + self.rows[i].partition_point(|&column| column < j)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_no_fill_and_a_loop_has() {
        // 0 - 1 - 2 and 0 - 3: rows 2 and 3 are coupled through their common root only.
        let tree = Pattern::of(4, [&[0, 1, 2][..], &[0, 3]]);
        assert_eq!(tree.row(3), [0]);
        assert_eq!(tree.values(), 4 + 4);
        let closed = Pattern::of(4, [&[0, 1, 2][..], &[0, 3], &[2, 3]]);
        assert_eq!(closed.row(3), [0, 2]);
        assert_eq!(closed.at(2, 3), closed.start(3) + 1);
        assert_eq!(closed.diagonal(3), closed.values() - 1);
    }
}
